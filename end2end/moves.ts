// What people do with operations, in the words of the pages; works with and without JavaScript.
import { expect, type Page } from "./journey.ts";
import type { Dashboard } from "./dashboard.ts";
import type { Lab } from "./lab.ts";

export const CLUSTER = "user-database";
/** A node that can take over from `primary`. */
export const standby = (primary: string | null) => (primary === "pg-standby-west" ? "pg-primary-east" : "pg-standby-west");
export type Kind = "switchover" | "failover" | "rejoin" | "reroute";

/** The state of the operation as its page says it, big and clear. */
const standing = (page: Page) => page.getByRole("main").locator('[aria-label="State of the operation"]');

export const planPath = (kind: Kind, node?: string) => `/databases/${CLUSTER}/plan?kind=${kind}${node ? `&node=${node}` : ""}`;

/** Opens the plan again until it can be requested without setting a check aside: detection takes the probes it takes. */
export async function openPlan(page: Page, kind: Kind, node?: string): Promise<void> {
  const form = page.locator('form[action*="request_operation"]');
  await expect(async () => {
    await page.goto(planPath(kind, node));
    await expect(form).toBeVisible({ timeout: 500 });
    await expect(form.locator('input[name="override_blockers"]')).toHaveCount(0, { timeout: 100 });
  }).toPass({ timeout: 20_000 });
}

/** Gives the consents the open plan asks for, says why, and requests it. Returns the path of the operation. */
export async function request(page: Page, reason = "a drill"): Promise<string> {
  const form = page.locator('form[action*="request_operation"]');
  const loss = form.locator('input[name="accept_loss"]');
  if (await loss.count()) await loss.check({ timeout: 3_000 });
  await form.locator('textarea[name="reason"]').fill(reason, { timeout: 3_000 });
  await form.getByRole("button").click({ timeout: 3_000 });
  await page.waitForURL(/\/operations\/[0-9a-f-]{36}$/, { timeout: 15_000 });
  return new URL(page.url()).pathname;
}

/** Opens the plan and requests it; again, should what it rests on change in between, as a person would. */
export async function plan(page: Page, kind: Kind, node?: string): Promise<string> {
  let path = "";
  await expect(async () => {
    await openPlan(page, kind, node);
    path = await request(page);
  }).toPass({ timeout: 30_000 });
  return path;
}

const approval = (page: Page) => page.locator('form[action*="approve_operation"]');

/** Opens the operation and fills in the approval, ready to be sent; fails at once, with what the page says, where there is nothing to approve. */
export async function readyToApprove(page: Page, path: string): Promise<void> {
  await page.goto(path);
  const reason = approval(page).locator('textarea[name="reason"]');
  await expect(standing(page)).toBeVisible();
  // A page that follows draws its forms anew; what is not there after that is not offered.
  const offered = await reason.waitFor({ state: "visible", timeout: 3_000 }).then(() => true, () => false);
  if (!offered) throw new Error(`${path} cannot be approved: ${await standing(page).innerText()}`);
  await reason.fill("agreed", { timeout: 5_000 });
}

/** Sends the approval as the person of `page`; what came of it is not waited for. */
export async function sendApproval(page: Page, path: string): Promise<void> {
  await readyToApprove(page, path);
  await approval(page).getByRole("button").click({ noWaitAfter: true });
}

/** What can be done to an operation on its page, by the server function its form posts to. */
export type Deed =
  | "cancel_operation" | "commit_operation" | "resume_operation" | "close_operation" | "skip_step" | "escalate_operation" | "abort_operation" | "acknowledge_operation";

/** Fills in that form on the operation's page, unfolded where it is folded away, and sends it once. */
export async function does(page: Page, path: string, deed: Deed, reason: string, timeout = 30_000): Promise<void> {
  const form = page.locator(`form[action*="${deed}"]`);
  await expect(async () => {
    await page.goto(path);
    await expect(form).toHaveCount(1, { timeout: 500 });
    if (!(await form.isVisible())) await page.locator("details", { has: form }).locator("summary").click({ timeout: 1_000 });
    await form.locator('textarea[name="reason"]').fill(reason, { timeout: 1_000 });
  }).toPass({ timeout });
  const answered = page.waitForResponse((answer) => answer.url().includes(deed), { timeout });
  await form.getByRole("button").click({ noWaitAfter: true });
  await answered;
}

/** Approves as the person of `page`. */
export async function approve(page: Page, path: string): Promise<void> {
  await sendApproval(page, path);
  await expect(approval(page)).toHaveCount(0);
}

/** Waits until the operation is in that state. Without JavaScript a person reloads. */
export async function reaches(page: Page, path: string, state: RegExp, timeout = 60_000): Promise<void> {
  await expect(async () => {
    await page.goto(path);
    await expect(standing(page)).toContainText(state, { timeout: 500 });
  }).toPass({ timeout });
}

export interface NodeStatus { node: string; standing: string; timeline: number | null; lag_bytes: number | null; [field: string]: unknown }
export interface ClusterStatus { cluster: string; primary: string | null; writable: boolean; protection: { state: string }; routed_to: string[] | null; nodes: NodeStatus[] }
export interface Status { source: string; overview: { worst: string; clusters: ClusterStatus[]; running: { state: string }[]; [field: string]: unknown } }

/** The cluster as `lifeboat status --json` has it. */
export async function cluster(dashboard: Dashboard): Promise<ClusterStatus> {
  const status = await dashboard.status<Status>();
  const found = status.overview.clusters.find(({ cluster }) => cluster === CLUSTER);
  if (!found) throw new Error(`the status knows no cluster ${CLUSTER}: ${JSON.stringify(status)}`);
  return found;
}

/** Waits until the server itself says that every node streams from the primary. */
export async function isProtected(dashboard: Dashboard, timeout = 60_000): Promise<void> {
  await expect.poll(async () => (await cluster(dashboard)).protection.state, { timeout }).toBe("protected");
}

/** Restarts the server with an estate that leaves promotions to the product, at once; `change` says what else is different in it. */
export async function automatic(lab: Lab, dashboard: Dashboard, change: (estate: string) => string = (text) => text): Promise<void> {
  const settings = /(id = "database-tier"\n(?:(?!\[\[).*\n)*?)/.source;
  const setting = (text: string, name: string, value: string) => text.replace(new RegExp(`${settings}${name} = ".*"`), `$1${name} = "${value}"`);
  await dashboard.down();
  lab.editEstate((text) => change(setting(setting(text, "failover", "automatic"), "wait", "0s")));
  await dashboard.start();
  await isProtected(dashboard);
}

interface Asked { event: string; id?: string; plan?: { unattended?: boolean } }

/** The operations that Lifeboat asked nobody for, oldest first. */
export async function unattended(dashboard: Dashboard): Promise<string[]> {
  const events = (await dashboard.journal()).map(({ event }) => event as unknown as Asked);
  return events.filter(({ event, plan }) => event === "operation-requested" && plan?.unattended).map(({ id }) => id ?? "");
}
