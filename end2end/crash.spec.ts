// The server is killed at every step boundary of an operation and started again: each time it ends truthfully, with one
// writable node, and everybody streaming from it.
import { drill as test, expect } from "./journey.ts";
import { cluster, isProtected, plan, reaches, sendApproval, standby } from "./moves.ts";

for (const boundary of ["intended", "done"] as const) {
  const steps = 14; // of a switchover in the lab
  test(`kill -9 of the server at every step of a switchover, ${boundary} @once`, async ({ dashboard, as }) => {
    test.setTimeout(steps * 60_000);
    const [olga, oskar] = [await as("olga"), await as("oskar")];
    for (let step = 0; step < steps; step += 1) {
      await test.step(`at step ${step}`, async () => {
        await isProtected(dashboard);
        const before = await cluster(dashboard);
        const target = standby(before.primary);
        await dashboard.down();
        await dashboard.start({ crashAt: `${step}:${boundary}` });
        await isProtected(dashboard);
        const path = await plan(olga, "switchover", target);
        await sendApproval(oskar, path); // its answer may be lost with the server
        await dashboard.ended();
        await dashboard.start();
        await reaches(oskar, path, /succeeded|failed, undone/, 45_000);
        await isProtected(dashboard);
        const after = await cluster(dashboard);
        expect(after.routed_to).toEqual([after.primary]);
        const entries = await dashboard.entries(path);
        const ended = entries.some(({ event }) => event === "operation-succeeded");
        expect(after.primary, "the page says what is so").toBe(ended ? target : before.primary);
      });
    }
  });
}

const FAILOVER_STEPS = 12; // of a failover in the lab
for (const steps of [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]) {
  test(`kill -9 of the server at steps ${steps.join(", ")} of a failover, done @once`, async ({ lab, dashboard, as }) => {
    test.setTimeout(steps.length * 90_000);
    const [olga, oskar] = [await as("olga"), await as("oskar")];
    for (const step of steps) await test.step(`at step ${step}`, async () => {
      await isProtected(dashboard);
      const before = await cluster(dashboard);
      const [source, target] = [before.primary ?? "", standby(before.primary)];
      await dashboard.down();
      await dashboard.start({ crashAt: `${step}:done` });
      await isProtected(dashboard);
      await lab.kill(source);
      const path = await plan(olga, "failover", target);
      await sendApproval(oskar, path);
      await dashboard.ended();
      await dashboard.start();
      // There is nothing to go back to: the old primary is dead. It goes on from where it was.
      await reaches(oskar, path, /succeeded/, 60_000);
      const begun = (await dashboard.entries(path)).filter(({ event }) => event === "step-started").map(({ step }) => step);
      expect(new Set(begun).size, "steps of a failover, each of which is crashed at above").toBe(FAILOVER_STEPS);
      // The status says what the next round of probes saw, a moment after the operation itself proved it.
      await expect(async () => {
        expect(await cluster(dashboard)).toMatchObject({ primary: target, writable: true, routed_to: [target] });
      }).toPass({ timeout: 10_000 });
      expect((await cluster(dashboard)).protection.state).not.toBe("protected");
      expect((await dashboard.measured(path)).lost_transactions, "the loss was measured").not.toBeNull();
      const rejoin = await plan(oskar, "rejoin", source);
      await reaches(oskar, rejoin, /succeeded/);
    });
  });
}
