// Measures, prints one table, asserts nothing about speed: machines are shared and noisy. Medians over TRIES (default 7).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { drill as test, type Page } from "./journey.ts";
import type { Dashboard } from "./dashboard.ts";
import type { Lab } from "./lab.ts";
import { TRIES, between, quantile } from "./figures.ts";
import { approve, cluster, isProtected, plan, reaches, standby } from "./moves.ts";
import { LIFEBOAT, end, until } from "./process.ts";

const rows: string[][] = [["what", "median", "p95 or worst", "n"]];
const row = (what: string, values: number[], unit = "ms") =>
  rows.push([what, `${quantile(values, 0.5).toFixed(0)} ${unit}`, `${quantile(values, 0.95).toFixed(0)} ${unit}`, String(values.length)]);

type Move = "switchover" | "failover";

/** The same move with nothing around it, on the same lab, while the server is down. */
async function bare(lab: Lab, dashboard: Dashboard, kind: Move): Promise<number> {
  await isProtected(dashboard);
  const { primary } = await cluster(dashboard);
  await dashboard.down();
  const { to_first_write_ms: took } = await lab.bare(kind, standby(primary));
  await dashboard.start();
  return took;
}

/** Kills the primary under load, fails over, brings the old one back. */
async function failover(lab: Lab, dashboard: Dashboard, olga: Page, oskar: Page): Promise<{ noticed: number; took: number }> {
  await isProtected(dashboard);
  const { primary } = await cluster(dashboard);
  const load = lab.load();
  const killed = Date.now();
  await lab.kill(primary ?? "");
  const noticed = (await until("the failure noticed", async () => !(await cluster(dashboard)).writable && Date.now(), 20_000)) - killed;
  const path = await plan(olga, "failover", standby(primary));
  await approve(oskar, path);
  await reaches(oskar, path, /succeeded/);
  await load.stop();
  const rejoin = await plan(oskar, "rejoin", primary ?? "");
  await reaches(oskar, rejoin, /succeeded/);
  return { noticed, took: await between(dashboard, path, "operation-approved", "operation-measured") };
}

async function switchover(lab: Lab, dashboard: Dashboard, olga: Page, oskar: Page): Promise<{ took: number; gap: number; lost: number }> {
  await isProtected(dashboard);
  const { primary } = await cluster(dashboard);
  const load = lab.load();
  const path = await plan(olga, "switchover", standby(primary));
  await approve(oskar, path);
  await reaches(oskar, path, /succeeded/);
  const report = await load.stop();
  const took = await between(dashboard, path, "operation-approved", "operation-measured");
  return { took, gap: report.longest_gap?.ms ?? Number.NaN, lost: report.missing };
}

// Product and bare script take turns on one lab, so that a busy minute of the machine falls on both.
test("moves of the writes, beside a bare script", async ({ lab, dashboard, as }) => {
  test.setTimeout(TRIES * 240_000);
  const [olga, oskar] = [await as("olga"), await as("oskar")];
  const switched: Awaited<ReturnType<typeof switchover>>[] = [], failed: Awaited<ReturnType<typeof failover>>[] = [];
  const bareSwitchover: number[] = [], bareFailover: number[] = [];
  for (let i = 0; i < TRIES; i += 1) {
    switched.push(await switchover(lab, dashboard, olga, oskar));
    bareSwitchover.push(await bare(lab, dashboard, "switchover"));
    failed.push(await failover(lab, dashboard, olga, oskar));
    bareFailover.push(await bare(lab, dashboard, "failover"));
  }
  const beside = (what: string, ours: number[], theirs: number[]) => {
    row(`${what}: approval to first proven write`, ours);
    row(`${what}: bare script, to first write`, theirs);
    const [our, their] = [quantile(ours, 0.5), quantile(theirs, 0.5)];
    rows.push([`${what}: what the operation adds (wanted: at most 150 ms)`, `${(our - their).toFixed(0)} ms`, `${(our / their).toFixed(2)} ×`, ""]);
  };
  beside("switchover", switched.map(({ took }) => took), bareSwitchover);
  row("switchover: client write gap (one client, no pooler)", switched.map(({ gap }) => gap));
  rows.push(["switchover: acknowledged rows lost, all tries", String(switched.reduce((sum, { lost }) => sum + lost, 0)), "", String(TRIES)]);
  beside("failover", failed.map(({ took }) => took), bareFailover);
  row("kill -9 to “no node takes writes” (1 s probe, 3 of 3; wanted: under 3500 ms)", failed.map(({ noticed }) => noticed));
  rows.push(["server RSS, lab running (wanted: under 60 MiB)", `${(await dashboard.rssKiB() / 1024).toFixed(1)} MiB`, "", "1"]);
});

for (const services of [10, 1_000]) {
  test(`pages with ${services} services`, async ({ browser }) => {
    test.setTimeout(120_000);
    const folder = mkdtempSync(join(tmpdir(), "lifeboat-bench-"));
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    const estate = Array.from({ length: services }, (_, i) =>
      `[[service]]\nid = "service-${i}"\ntier = ${(i % 4) + 1}\nrto = "1h"\nrpo = "15m"\nmtpd = "8h"\ndepends_on = [${i > 2 ? `"service-${i % 3}"` : ""}]\ndata_class = "standard"\n`);
    writeFileSync(join(folder, "estate.toml"), `name = "bench"\n${estate.join("\n")}`);
    writeFileSync(join(folder, "lifeboat.toml"), `listen = "127.0.0.1:${port}"\ndata = "data"\nestate = "estate.toml"\n`);
    const add = spawn(LIFEBOAT, ["user", "add", "vera", "--role", "viewer", "--password-stdin", "--config", join(folder, "lifeboat.toml")], { stdio: ["pipe", "ignore", "inherit"] });
    add.stdin?.end("a bench password");
    await new Promise((resolve) => add.once("exit", resolve));
    const server = spawn(LIFEBOAT, ["serve", "--config", join(folder, "lifeboat.toml")], { stdio: "ignore" });
    try {
      const url = `http://127.0.0.1:${port}`;
      await until("the server", async () => (await fetch(`${url}/healthz`).catch(() => undefined))?.ok, 20_000);
      const page = await (await browser.newContext()).newPage();
      await page.goto(`${url}/login`);
      await page.locator('input[name="name"]').fill("vera");
      await page.locator('input[name="password"]').fill("a bench password");
      await page.locator('input[name="password"]').press("Enter");
      await page.waitForURL((at) => at.pathname === "/");
      for (const path of ["/", "/services"]) await firstBytes(page, url, path, services);
      const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1];
      rows.push([`server RSS, ${services} services, no lab`, `${(Number(rss) / 1024).toFixed(1)} MiB`, "", "1"]);
    } finally {
      await end(server, "SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

async function firstBytes(page: Page, url: string, path: string, services: number): Promise<void> {
  const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  const times: number[] = [];
  let bytes = 0;
  for (let i = 0; i < 60; i += 1) {
    const started = performance.now();
    const answer = await fetch(`${url}${path}`, { headers: { cookie } });
    if (i >= 10) times.push(performance.now() - started); // the first ones warm up
    bytes = (await answer.arrayBuffer()).byteLength;
  }
  row(`${path} with ${services} services: time to first byte${services === 1_000 ? " (wanted: p95 under 60 ms)" : ""}`, times);
  rows.push([`${path} with ${services} services: HTML`, `${(bytes / 1024).toFixed(0)} KiB`, "uncompressed", "1"]);
}

test.afterAll(() => {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((cells) => cells[i]?.length ?? 0))) ?? [];
  console.log(`\n${rows.map((cells) => cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ")).join("\n")}\n`);
});
