/** What a viewer wants its browser to do for others; remembered in this browser. */

export interface Preferences {
  /** pass the video on to other viewers, and take it from them; null: not decided yet */
  share: boolean | null;
  /** also where that may cost: over mobile data, or a phone that does not say what it uses */
  uploadOnMobile: boolean;
  /** the most to send to others, Mbit/s; null: no limit */
  uploadLimitMbps: number | null;
  /** the note on sharing was read */
  noted: boolean;
}

export const DEFAULTS: Preferences = {
  share: null,
  uploadOnMobile: false,
  uploadLimitMbps: null,
  noted: false,
};

const KEY = "shoal.preferences";

/** Read what was remembered; what is missing or makes no sense is as it is by default. */
export function parsePreferences(text: string | null): Preferences {
  let found: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    if (typeof value === "object" && value !== null) found = value as Record<string, unknown>;
  } catch {
    // as if nothing had been remembered
  }
  const { share, uploadOnMobile, uploadLimitMbps, noted } = found;
  return {
    share: typeof share === "boolean" ? share : null,
    uploadOnMobile: uploadOnMobile === true,
    uploadLimitMbps:
      typeof uploadLimitMbps === "number" && uploadLimitMbps > 0 && uploadLimitMbps < Infinity
        ? uploadLimitMbps
        : null,
    noted: noted === true,
  };
}

/** The preferences of this browser; `change` is told of when they change here or in another tab. */
export class PreferenceStore extends EventTarget {
  /** whether they outlast this page: a browser may refuse storage, as private windows do */
  readonly remembered: boolean;
  #storage: Storage | null;
  #now: Preferences;

  /** @param storage returns the browser's, or throws where that is refused */
  constructor(storage: () => Storage = () => localStorage) {
    super();
    this.#storage = usable(storage);
    this.remembered = this.#storage !== null;
    this.#now = parsePreferences(this.#storage?.getItem(KEY) ?? null);
  }

  get now(): Readonly<Preferences> {
    return this.#now;
  }

  set(change: Partial<Preferences>): void {
    this.#now = { ...this.#now, ...change };
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.#now));
    } catch {
      // full, or withdrawn: they hold for this page
    }
    this.dispatchEvent(new Event("change"));
  }

  /** Another tab of this browser has changed something. */
  storageChanged(key: string | null): void {
    if (key !== KEY && key !== null) return;
    this.#now = parsePreferences(this.#storage?.getItem(KEY) ?? null);
    this.dispatchEvent(new Event("change"));
  }
}

function usable(storage: () => Storage): Storage | null {
  try {
    const found = storage();
    const probe = `${KEY}.probe`;
    found.setItem(probe, "1");
    found.removeItem(probe);
    return found;
  } catch {
    return null;
  }
}
