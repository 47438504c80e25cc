// A service fails in a region, or the whole region does: clients go elsewhere, by the product, by people, and back again.
import { drill as test, expect } from "./journey.ts";
import { approve, cluster, isProtected, plan, reaches, sendApproval } from "./moves.ts";
import { changes, decides, decisions, evacuate, isServedBy, move, movePath, newest } from "./traffic.ts";

const [EAST, WEST, EU] = ["us-east-1", "us-west-2", "eu-west-1"];

test.describe("the product acts", () => {
  test.use({ automation: true });

  test("an active-active service leaves the region where it died, without anybody, and returns by approval", async ({ lab, dashboard, as, accessible }) => {
    test.setTimeout(180_000);
    await isProtected(dashboard);
    const [olga, oskar] = [await as("olga"), await as("oskar")];
    await isServedBy(lab, "api-gateway", [EAST, WEST, EU]);
    await lab.kill(`api-gateway.${EAST}`);
    await isServedBy(lab, "api-gateway", [WEST, EU]);
    const path = await newest(dashboard, "api-gateway");
    await reaches(olga, path, /succeeded/);
    await accessible(olga);
    const entries = await dashboard.entries(path);
    expect(entries.map(({ event }) => event)).not.toContain("operation-approved");
    expect((await dashboard.measured(path)).recovery_time).not.toBeNull();
    expect((await decisions(dashboard, "service/api-gateway")).map(({ verdict }) => verdict)).toEqual(["start"]);

    // Back in the rotation: not before it was well for the dwell time, and not without a second person.
    await lab.heal(`api-gateway.${EAST}`);
    const back = await move(olga, "api-gateway", "planned", [EAST, WEST, EU], { timeout: 60_000 });
    await approve(oskar, back);
    await reaches(oskar, back, /succeeded/);
    await isServedBy(lab, "api-gateway", [EAST, WEST, EU]);
  });

  test("a service in one region is moved when a person approves what the product asks for", async ({ lab, dashboard, as }) => {
    test.setTimeout(180_000);
    await isProtected(dashboard);
    const oskar = await as("oskar");
    await lab.kill(`webhook-service.${EAST}`);
    const asked = await decides(dashboard, "service/webhook-service", "request");
    expect(asked.trouble.join()).toMatch(/3 of the last 3 probes failed/);
    const path = await newest(dashboard, "webhook-service");
    await isServedBy(lab, "webhook-service", ["none"]);
    await approve(oskar, path);
    await reaches(oskar, path, /succeeded/);
    await isServedBy(lab, "webhook-service", [WEST]);
    // The region that took over is watched like the first: the next failure is answered too, once the cooldown is acknowledged.
    await lab.kill(`webhook-service.${WEST}`);
    const held = await decides(dashboard, "service/webhook-service", "hold");
    expect(held.holds.map(({ hold }) => hold)).toContain("cooldown");
    await oskar.goto(path);
    const acknowledge = oskar.locator('form[action*="acknowledge_operation"]');
    if (!(await acknowledge.isVisible())) await oskar.locator("summary", { hasText: /Acknowledge/ }).click();
    await acknowledge.locator('textarea[name="reason"]').fill("seen, the next one may follow");
    await acknowledge.getByRole("button").click();
    await expect.poll(() => newest(dashboard, "webhook-service")).not.toBe(path);
    const second = await newest(dashboard, "webhook-service");
    await approve(oskar, second);
    await reaches(oskar, second, /succeeded/);
    await isServedBy(lab, "webhook-service", [EU]);
    const plan = (await dashboard.entries(second)).find(({ event }) => event === "operation-requested")?.plan as { from: string[]; to: string[] };
    expect([plan.from, plan.to]).toEqual([[WEST], [EU]]);
  });

  test("when the observer is cut off, nothing fails over, and the ledger says why", async ({ lab, dashboard, as, accessible }) => {
    test.setTimeout(120_000);
    await isProtected(dashboard);
    const vera = await as("vera");
    await isServedBy(lab, "api-gateway", [EAST, WEST, EU]);
    await lab.cut("control"); // where the server is: it sees nothing, and hears of no other observer
    const blind = await changes(dashboard, "server", "blind");
    for (const region of [EAST, WEST, EU]) await changes(dashboard, `in-${region}`, "silent");
    expect(blind).toBeLessThan(Date.now());
    // Also to whoever asks about one service: what nobody saw of it is why nothing was decided.
    await vera.goto("/failover/decisions?scope=service/api-gateway");
    const why = vera.locator("table.ledger");
    const blindSince = /Nothing has answered the observer server since \d\d:\d\d:\d\d( UTC)?: it may be cut off, and its word does not count/;
    await expect(why).toContainText(blindSince);
    for (const region of [EAST, WEST, EU]) await expect(why).toContainText(new RegExp(`Nothing was heard of the observer in-${region} since [\\d:]+( UTC)?: its word does not count`));
    await accessible(vera);
    await lab.mend("control");
    for (const observer of ["server", `in-${EAST}`, `in-${WEST}`, `in-${EU}`]) await changes(dashboard, observer, "sees");
    await vera.goto("/failover/decisions");
    await expect(why).toContainText(blindSince); // and afterwards, to whoever asks why nothing was done at that time
    for (const observer of ["server", `in-${EU}`]) await expect(why).toContainText(`The observer ${observer} sees again, and its word counts`);
    await isProtected(dashboard);
    const started = (await dashboard.journal(2_000)).filter(({ event }) => event.event === "operation-requested");
    expect(started).toEqual([]);
    await isServedBy(lab, "api-gateway", [EAST, WEST, EU]);
  });

  test("one observer that loses its way to a region trips nothing, and the page says who sees what", async ({ lab, dashboard, as, accessible }) => {
    test.setTimeout(120_000);
    await isProtected(dashboard);
    const olga = await as("olga");
    await lab.cut(`control:${EAST}`); // between the server and the region; the others still see it
    const cell = (region: string, observer: string) =>
      olga.getByRole("region", { name: "What each observer sees of the service" }).getByRole("row", { name: new RegExp(`^${region}`) }).locator(`td[data-label="${observer}"]`);
    await expect(async () => {
      await olga.goto("/failover/api-gateway");
      await expect(cell(EAST, "server")).toContainText("down", { timeout: 500 });
      await expect(cell(EAST, `in-${WEST}`)).toContainText("ok", { timeout: 500 });
    }).toPass({ timeout: 20_000 });
    await accessible(olga);
    expect(await decisions(dashboard, "service/api-gateway")).toEqual([]);
    await lab.mend(`control:${EAST}`);
    await isServedBy(lab, "api-gateway", [EAST, WEST, EU]);
  });
});

test("us-east to us-west to eu-west and home, with the right source each time", async ({ lab, dashboard, as, accessible }) => {
  test.setTimeout(180_000);
  await isProtected(dashboard);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  const route = [[EAST, WEST], [WEST, EU], [EU, EAST]];
  for (const [from, to] of route) await test.step(`${from} to ${to}`, async () => {
    const path = await move(olga, "webhook-service", "planned", [to ?? ""]);
    await approve(oskar, path);
    await reaches(oskar, path, /succeeded/);
    await isServedBy(lab, "webhook-service", [to ?? ""]);
    const plan = (await dashboard.entries(path)).find(({ event }) => event === "operation-requested")?.plan as { kind: string; from: string[] };
    expect(plan.from).toEqual([from]);
    expect(plan.kind).toBe(to === EAST ? "failback" : "region-failover");
  });
  await olga.goto(movePath("webhook-service", "planned", [WEST]));
  await accessible(olga);
  await olga.goto("/failover");
  await accessible(olga);
});

test("a test changes no routing, and a region that is down is refused", async ({ lab, dashboard, as }) => {
  test.setTimeout(120_000);
  await isProtected(dashboard);
  const olga = await as("olga");
  const path = await move(olga, "webhook-service", "test", [WEST]);
  await reaches(olga, path, /succeeded/);
  const began = (await dashboard.entries(path)).filter(({ event }) => event === "step-ended").map(({ said }) => String(said));
  expect(began.at(-1)).toMatch(/it would close us-east-1, open us-west-2/);
  await isServedBy(lab, "webhook-service", [EAST]);

  await lab.kill(`webhook-service.${WEST}`);
  await expect(async () => {
    await olga.goto(movePath("webhook-service", "planned", [WEST]));
    await expect(olga.getByRole("main")).toContainText(/does not answer well in us-west-2/, { timeout: 500 });
  }).toPass({ timeout: 20_000 });
  await expect(olga.locator('form[action*="request_traffic"]')).toHaveCount(0);
});

test("HAProxy restarts in the middle of a move: what it forgot is set again", async ({ lab, dashboard, as }) => {
  test.setTimeout(120_000);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  await dashboard.down();
  await dashboard.start({ crashAt: "2:done" }); // clients were sent to the west, and the server dies before it proves it
  await isProtected(dashboard);
  const path = await move(olga, "webhook-service", "planned", [WEST]);
  await sendApproval(oskar, path);
  await dashboard.ended();
  await isServedBy(lab, "webhook-service", [WEST]);
  await lab.kill("haproxy");
  await lab.heal("haproxy");
  await isServedBy(lab, "webhook-service", [EAST]); // as its configuration says
  await dashboard.start();
  await reaches(oskar, path, /succeeded/);
  await isServedBy(lab, "webhook-service", [WEST]);
});

test("somebody moves clients behind our back: an alarm, and a way to make it right", async ({ lab, dashboard, as }) => {
  test.setTimeout(120_000);
  await isProtected(dashboard);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  const path = await move(olga, "webhook-service", "planned", [WEST]);
  await approve(oskar, path);
  await reaches(oskar, path, /succeeded/);
  await lab.kill("haproxy");
  await lab.heal("haproxy"); // it begins with the home region again
  await expect.poll(async () => (await dashboard.journal()).some(({ event }) => event.event === "traffic-strayed"), { timeout: 20_000 }).toBe(true);
  await olga.goto("/");
  await expect(olga.getByRole("main")).toContainText(/clients of webhook-service are sent to us-east-1, but are meant to be in us-west-2/);
  const again = await move(olga, "webhook-service", "planned", [WEST]);
  await approve(oskar, again);
  await reaches(oskar, again, /succeeded/);
  await isServedBy(lab, "webhook-service", [WEST]);
});

for (const boundary of ["intended", "done"] as const) {
  const steps = 4; // of a planned move in the lab: check, send nowhere, send, prove
  test(`kill -9 of the server at every step of a move, ${boundary} @once`, async ({ lab, dashboard, as }) => {
    test.setTimeout(steps * 60_000);
    const [olga, oskar] = [await as("olga"), await as("oskar")];
    let at = EAST;
    for (let step = 0; step < steps; step += 1) await test.step(`at step ${step}`, async () => {
      const to = at === EAST ? WEST : EAST;
      await dashboard.down();
      await dashboard.start({ crashAt: `${step}:${boundary}` });
      const path = await move(olga, "webhook-service", "planned", [to ?? ""]);
      await sendApproval(oskar, path);
      await dashboard.ended();
      await dashboard.start();
      await reaches(oskar, path, /succeeded/, 45_000);
      const entries = await dashboard.entries(path);
      expect(new Set(entries.filter(({ event }) => event === "step-started").map(({ step }) => step)).size).toBe(steps);
      await isServedBy(lab, "webhook-service", [to ?? ""]);
      at = to;
    });
  });
}

test.describe("a whole region", () => {
  test("is evacuated in waves while it is well, and comes back service by service", async ({ lab, dashboard, as, accessible }) => {
    test.setTimeout(360_000);
    await isProtected(dashboard);
    const [olga, oskar] = [await as("olga"), await as("oskar")];
    await olga.goto(`/failover/evacuate/${EAST}?mode=planned`);
    await accessible(olga);
    const path = await evacuate(olga, EAST, "planned");
    await approve(oskar, path);
    await reaches(oskar, path, /succeeded/, 120_000);
    await accessible(oskar);
    for (const service of ["webhook-service", "dashboard", "billing-service"]) await isServedBy(lab, service, [WEST]);
    await isServedBy(lab, "api-gateway", [WEST, EU]);
    await expect.poll(async () => (await cluster(dashboard)).primary, { timeout: 10_000 }).toBe("pg-standby-west");
    // The database first: what needs it comes after.
    const begun = (await dashboard.journal()).filter(({ event }) => event.event === "operation-requested" && event.parent).map(({ event }) => {
      const plan = event.plan as { cluster?: string; service?: string };
      return plan.cluster ?? plan.service ?? "";
    });
    expect(begun.indexOf("user-database")).toBeLessThan(begun.indexOf("authentication"));
    expect(begun.indexOf("authentication")).toBeLessThan(begun.indexOf("dashboard"));

    // And back, one after the other: the writes first, then the services, each by a plan and an approval of its own.
    await isProtected(dashboard);
    const writes = await plan(olga, "switchover", "pg-primary-east");
    await approve(oskar, writes);
    await reaches(oskar, writes, /^\s*succeeded/);
    await isProtected(dashboard);
    for (const [service, home] of [["webhook-service", [EAST]], ["dashboard", [EAST]], ["api-gateway", [EAST, WEST, EU]]] as const) {
      const back = await move(olga, service, "planned", [...home], { timeout: 60_000 });
      await approve(oskar, back);
      await reaches(oskar, back, /^\s*succeeded/);
      await isServedBy(lab, service, [...home]);
    }
    await isServedBy(lab, "billing-service", [WEST]); // what nobody brought back stays where it went
  });

  test("with one member that fails: planned stops and asks, and goes on when that is mended", async ({ lab, dashboard, as }) => {
    test.setTimeout(240_000);
    await isProtected(dashboard);
    const [olga, oskar] = [await as("olga"), await as("oskar")];
    // Somebody else's request holds one member, and nobody approves it.
    const other = await move(olga, "logging-service", "planned", [WEST]);
    const path = await evacuate(olga, EAST, "planned");
    await approve(oskar, path);
    await reaches(oskar, path, /^\s*IN DOUBT/, 120_000);
    await expect(oskar.getByRole("main")).toContainText(/logging-service: the region failover .* waits for an approval of its own/);
    await isServedBy(lab, "logging-service", [EAST]);
    await isServedBy(lab, "webhook-service", [WEST]); // of the same evacuation; it is not sent back

    await olga.goto(other);
    const cancel = olga.locator('form[action*="cancel_operation"]');
    if (!(await cancel.isVisible())) await olga.locator("summary", { hasText: /Cancel/ }).click();
    await cancel.locator('textarea[name="reason"]').fill("the evacuation moves it");
    await cancel.getByRole("button").click();
    await reaches(olga, other, /cancelled/);
    await oskar.goto(path);
    const resume = oskar.locator('form[action*="resume_operation"]');
    await resume.locator('textarea[name="reason"]').fill("the other request is gone");
    await resume.getByRole("button").click();
    await reaches(oskar, path, /succeeded/, 60_000);
    await isServedBy(lab, "logging-service", [WEST]);
    const asked = (await dashboard.journal(2_000)).filter(({ event }) => event.event === "operation-requested" && event.parent);
    const services = asked.map(({ event }) => (event.plan as { service?: string }).service).filter((name) => name !== undefined);
    expect(new Set(services).size, "each member was asked for once").toBe(services.length);
  });

  test("that is cut off: one approval moves what is left, and when it comes back its old primary rejoins", async ({ lab, dashboard, as }) => {
    test.setTimeout(240_000);
    await isProtected(dashboard);
    const olga = await as("olga");
    await lab.cut(EAST);
    const held = await decides(dashboard, `region/${EAST}`, "hold", 30_000).catch(() => undefined);
    expect(held ?? (await decides(dashboard, `region/${EAST}`, "recommend", 5_000))).toBeDefined();
    const anna = await as("anna");
    const path = await evacuate(olga, EAST, "emergency", { override: true });
    await approve(anna, path);
    await reaches(anna, path, /succeeded/, 120_000);
    // The billing service fails with the database, and the guide does not declare that it needs it: it stays, and is said to.
    for (const service of ["webhook-service", "dashboard", "vector-database"]) await isServedBy(lab, service, [WEST], 60_000);
    await isServedBy(lab, "api-gateway", [WEST, EU]);
    await expect.poll(async () => (await cluster(dashboard)).primary, { timeout: 10_000 }).toBe("pg-standby-west");

    // It comes back: its old primary never heard of any of this and still takes itself for one.
    await lab.mend(EAST);
    await expect(async () => {
      await olga.goto("/databases/user-database");
      await expect(olga.getByRole("main")).toContainText(/SPLIT BRAIN.*pg-primary-east and pg-standby-west/, { timeout: 500 });
    }).toPass({ timeout: 30_000 });
    expect((await lab.status()).haproxy).toMatchObject({ servers: [["pg-primary-east", "maint"], ["pg-replica-east", "maint"], ["pg-standby-west", "ready"]] });
    // The failover waits for what was out of reach, records that it does not stream, and ends.
    await reaches(anna, await newest(dashboard, "user-database"), /succeeded/, 90_000);
    const rejoin = await plan(olga, "rejoin", "pg-primary-east");
    await approve(anna, rejoin);
    await reaches(anna, rejoin, /succeeded/, 60_000);
    await reaches(olga, await plan(olga, "rejoin", "pg-replica-east"), /succeeded/, 60_000);
    await isProtected(dashboard);
    expect((await cluster(dashboard)).primary).toBe("pg-standby-west");
    expect((await dashboard.measured(rejoin)).lost_bytes, "what it wrote alone was counted").not.toBeNull();
  });
});

test.describe("people hold the product back", () => {
  test.use({ automation: true });

  test("paused automation does nothing, says so everywhere, and acts when it is resumed", async ({ lab, dashboard, as }) => {
    test.setTimeout(120_000);
    await isProtected(dashboard);
    const olga = await as("olga");
    await olga.goto("/failover");
    const form = (name: string) => olga.locator(`form[action*="${name}"]`).filter({ has: olga.locator('input[name="what"][value="pause"]') });
    const pause = form("/restrain");
    if (!(await pause.isVisible())) await olga.locator("details", { has: pause }).locator("summary").click();
    await pause.locator('textarea[name="reason"]').fill("the network is being worked on");
    await pause.getByRole("button").click();
    await expect(olga.getByRole("banner")).toContainText(/paused/i);

    await lab.kill(`api-gateway.${EAST}`);
    const held = await decides(dashboard, "service/api-gateway", "hold");
    expect(held.holds.map((hold) => hold.what)).toContain("pause");
    await olga.goto("/failover/decisions");
    await expect(olga.getByRole("main")).toContainText(/automation is paused everywhere.*the network is being worked on \(olga\)/);

    await olga.goto("/failover");
    const resume = form("/release");
    if (!(await resume.isVisible())) await olga.locator("details", { has: resume }).locator("summary").click();
    await resume.locator('textarea[name="reason"]').fill("the work is done");
    await resume.getByRole("button").click();
    await isServedBy(lab, "api-gateway", [WEST, EU]);
  });
});
