/** Long work in steps: between them the browser does what waits, a viewer's click or a frame. */

/** Resolves in a task of its own. */
export function yieldToMain(): Promise<void> {
  const { scheduler } = globalThis as { scheduler?: { yield?: () => Promise<void> } };
  return scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve));
}
