import { expect, it, vi } from "vitest";
import { DEFAULTS, PreferenceStore, parsePreferences } from "../../src/ui/preferences";

/** A browser's storage. */
class FakeStorage {
  items = new Map<string, string>();
  getItem = (key: string): string | null => this.items.get(key) ?? null;
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
  removeItem(key: string): void {
    this.items.delete(key);
  }
}
const storeOf = (storage: FakeStorage) => new PreferenceStore(() => storage as unknown as Storage);

it.each([
  [null],
  [""],
  ["no JSON"],
  ["null"],
  ["[]"],
  ['{"share":"yes","uploadLimitMbps":-1,"uploadOnMobile":1,"noted":"x"}'],
])("%s is read as if nothing had been stored", (text) => {
  expect(parsePreferences(text)).toEqual(DEFAULTS);
});

it("stores preferences for the next visit, and nothing else", () => {
  const storage = new FakeStorage();
  storeOf(storage).set({ share: false, uploadLimitMbps: 2 });
  storeOf(storage).set({ uploadOnMobile: true });
  expect(storeOf(storage).now).toEqual({
    ...{ share: false, uploadLimitMbps: 2, uploadOnMobile: true, noted: false },
  });
  expect([...storage.items.keys()]).toEqual(["shoal.preferences"]);
});

it("a browser that refuses storage forgets, and reports it", () => {
  const store = new PreferenceStore(() => {
    throw new DOMException("denied", "SecurityError");
  });
  const changed = vi.fn();
  store.addEventListener("change", changed);
  store.set({ share: false });
  expect(store.remembered).toBe(false);
  expect(store.now.share).toBe(false);
  expect(changed).toHaveBeenCalledOnce();
});

it("applies another tab's change", () => {
  const storage = new FakeStorage();
  const [here, there] = [storeOf(storage), storeOf(storage)];
  const changed = vi.fn();
  here.addEventListener("change", changed);
  there.set({ share: false });
  here.storageChanged("something.else");
  expect(here.now.share).toBeNull();
  here.storageChanged("shoal.preferences");
  expect(here.now.share).toBe(false);
  expect(changed).toHaveBeenCalledOnce();
});
