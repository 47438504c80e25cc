// Where the router of a database sends clients: what somebody else set, or what it forgot, is seen, told and made right.
import { drill as test, expect } from "./journey.ts";
import { CLUSTER, cluster, isProtected, openPlan, plan, reaches, request, sendApproval } from "./moves.ts";

/** HAProxy's commands that open one server of the cluster's backend, and close another one. */
const sendTo = (open: string, close: string) => [`set server ${CLUSTER}/${close} state maint`, `set server ${CLUSTER}/${open} state ready`];

test("somebody points the router elsewhere: an alarm, and one person sets it again", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(120_000);
  await isProtected(dashboard);
  const olga = await as("olga");
  expect(await lab.tellHaproxy(...sendTo("pg-standby-west", "pg-primary-east"))).toBe("");
  await expect.poll(async () => (await cluster(dashboard)).routed_to, { timeout: 20_000 }).toEqual(["pg-standby-west"]);
  await olga.goto("/");
  await expect(olga.getByRole("main")).toContainText("clients are sent to pg-standby-west, the writable node is pg-primary-east");
  await olga.goto(`/databases/${CLUSTER}`);
  await expect(olga.getByRole("main")).toContainText("misrouted");
  await olga.getByRole("link", { name: "Set the route again" }).click();
  await expect(olga).toHaveURL(/kind=reroute$/);
  await expect(olga.getByRole("button", { name: "Send clients to pg-primary-east now" })).toBeVisible();
  await accessible(olga);
  await openPlan(olga, "reroute");
  const path = await request(olga, "it was set by hand");
  await reaches(olga, path, /succeeded/);
  await accessible(olga);
  await expect.poll(async () => (await cluster(dashboard)).routed_to, { timeout: 20_000 }).toEqual(["pg-primary-east"]);
  await olga.goto(`/databases/${CLUSTER}`);
  await expect(olga.getByRole("main")).toContainText("Clients are sent to pg-primary-east");
  await expect(olga.getByRole("link", { name: "Set the route again" })).toHaveCount(0);
});

test("the router forgets a switchover in the middle of it: it is told again, and the proof says so", async ({ lab, dashboard, as }) => {
  test.setTimeout(120_000);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  await dashboard.down();
  await dashboard.start({ crashAt: "9:intended" }); // clients were sent to the west, and the server dies before it proves it
  await isProtected(dashboard);
  const path = await plan(olga, "switchover", "pg-standby-west");
  await sendApproval(oskar, path);
  await dashboard.ended();
  expect((await lab.status()).haproxy.servers).toContainEqual(["pg-standby-west", "ready"]);
  await lab.tellHaproxy(...sendTo("pg-primary-east", "pg-standby-west"));
  await dashboard.start();
  await reaches(oskar, path, /succeeded/);
  await expect(oskar.getByRole("main")).toContainText("the router had forgotten what it was told, and was told again");
  await expect.poll(async () => (await cluster(dashboard)).routed_to, { timeout: 20_000 }).toEqual(["pg-standby-west"]);
});
