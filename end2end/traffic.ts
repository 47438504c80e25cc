// What people do with the clients of services, in the words of the pages; works with and without JavaScript.
import { expect, type Page } from "./journey.ts";
import type { Dashboard } from "./dashboard.ts";
import type { Lab } from "./lab.ts";

export type Mode = "test" | "planned" | "emergency";

export const movePath = (service: string, mode: Mode, to: string[]) => `/failover/${service}/plan?mode=${mode}&to=${to.join(",")}`;
const form = (page: Page) => page.locator('form[action*="request_traffic"]');

/** Opens the plan until it can be requested without setting a check aside, and requests it. Returns the operation's path. */
export async function move(page: Page, service: string, mode: Mode, to: string[], options: { override?: boolean; timeout?: number } = {}): Promise<string> {
  let path = "";
  await expect(async () => {
    await page.goto(movePath(service, mode, to));
    const override = form(page).locator('input[name="override_blockers"]');
    if (options.override) await override.check({ timeout: 1_000 });
    else await expect(override).toHaveCount(0, { timeout: 100 });
    await form(page).locator('textarea[name="reason"]').fill("a drill", { timeout: 1_000 });
    // Once it is sent it holds the service, so a second try would find no form.
    await form(page).locator("button:not([type=button])").click({ timeout: 5_000, noWaitAfter: true });
    await page.waitForURL(/\/operations\/[0-9a-f-]{36}$/, { timeout: 15_000 });
    path = new URL(page.url()).pathname;
  }).toPass({ timeout: options.timeout ?? 30_000 });
  return path;
}

/** Requests the evacuation of a region, with every consent the page asks for where `override` is set. */
export async function evacuate(page: Page, region: string, mode: Mode, options: { override?: boolean } = {}): Promise<string> {
  const form = page.locator('form[action*="request_evacuation"]');
  let path = "";
  await expect(async () => {
    await page.goto(`/failover/evacuate/${region}?mode=${mode}`);
    await expect(form).toBeVisible({ timeout: 500 });
    const override = form.locator('input[name="override_blockers"]');
    if (options.override) await override.check({ timeout: 1_000 });
    else await expect(override).toHaveCount(0, { timeout: 100 });
    const loss = form.locator('input[name="accept_loss"]');
    if (await loss.count()) await loss.check({ timeout: 1_000 });
    await form.locator('textarea[name="reason"]').fill("a drill", { timeout: 1_000 });
    await form.getByRole("button").click({ timeout: 5_000, noWaitAfter: true });
    await page.waitForURL(/\/operations\/[0-9a-f-]{36}$/, { timeout: 15_000 });
    path = new URL(page.url()).pathname;
  }).toPass({ timeout: 40_000 });
  return path;
}

/** The regions that answer clients of a service now, over several askings; errors count as “none”. */
export async function servedBy(lab: Lab, service: string, askings = 9): Promise<string[]> {
  const seen = new Set<string>();
  for (let i = 0; i < askings; i += 1) {
    const { status, region } = await lab.client(service);
    seen.add(status === 200 && region ? region : "none");
  }
  return [...seen].sort();
}

export async function isServedBy(lab: Lab, service: string, regions: string[], timeout = 30_000): Promise<void> {
  await expect.poll(() => servedBy(lab, service), { timeout }).toEqual([...regions].sort());
}

export interface Decision { scope: string; verdict: string; target: string | null; trouble: string[]; holds: { hold: string; [field: string]: unknown }[] }

/** What the product decided about a service or cluster so far, oldest first. */
export async function decisions(dashboard: Dashboard, scope: string): Promise<Decision[]> {
  const entries = await dashboard.journal();
  const decided = entries.filter(({ event }) => event.event === "decided").map(({ event }) => event.decision as Decision);
  return decided.filter((decision) => decision.scope === scope);
}

/** Waits for a decision, and returns it. */
export async function decides(dashboard: Dashboard, scope: string, verdict: string, timeout = 20_000): Promise<Decision> {
  let found: Decision | undefined;
  await expect(async () => {
    found = (await decisions(dashboard, scope)).findLast((decision) => decision.verdict === verdict);
    expect(found, `${scope} ${verdict}`).toBeDefined();
  }).toPass({ timeout });
  return found as Decision;
}

/** Waits until the journal says that an observer `sees` (again), is `blind` or `silent`; returns when, in milliseconds. */
export async function changes(dashboard: Dashboard, observer: string, to: "sees" | "blind" | "silent", timeout = 30_000): Promise<number> {
  let at = 0;
  await expect(async () => {
    const last = (await dashboard.journal()).findLast(({ event }) => event.event === "observer-changed" && event.observer === observer);
    expect(last?.event.to, `the observer ${observer}`).toBe(to);
    at = Date.parse(last?.at ?? "");
  }).toPass({ timeout });
  return at;
}

/** The path of the newest operation that was requested on a service, cluster or region. */
export async function newest(dashboard: Dashboard, on: string): Promise<string> {
  let path = "";
  await expect(async () => {
    const requests = (await dashboard.journal()).filter(({ event }) => event.event === "operation-requested");
    const ours = requests.findLast(({ event }) => {
      const plan = event.plan as Record<string, unknown>;
      return [plan.service, plan.cluster, plan.region].includes(on);
    });
    expect(ours, `an operation on ${on}`).toBeDefined();
    path = `/operations/${ours?.event.id as string}`;
  }).toPass({ timeout: 20_000 });
  return path;
}
