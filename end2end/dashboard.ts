// The server under test: its own process on a free port, which a test may kill and start again.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "@playwright/test";
import { LIFEBOAT, end, run, until } from "./process.ts";
import type { Account, Lab } from "./lab.ts";

type StorageState = Exclude<BrowserContextOptions["storageState"], string | undefined>;

/** One event as the journal writes it. */
export interface JournalEvent {
  event: string;
  [field: string]: unknown;
}

export interface Measured {
  recovery_time: string | null;
  lost_bytes: number | null;
  lost_transactions: number | null;
}

export class Dashboard {
  private child: ChildProcess | undefined;
  /** How many times it was stopped, killed or ended by itself. */
  stops = 0;
  private readonly signedIn = new Map<Account, StorageState>();

  private constructor(
    readonly lab: Lab,
    readonly address: string,
  ) {}

  static async up(lab: Lab): Promise<Dashboard> {
    const dashboard = new Dashboard(lab, `127.0.0.1:${await freePort()}`);
    await dashboard.start();
    return dashboard;
  }

  get url(): string { return `http://${this.address}`; }
  private get config(): string { return join(this.lab.folder, "lifeboat.toml"); }
  private get logFile(): string { return join(this.lab.folder, "dashboard.log"); }

  /** Everything the server said so far, over all its starts. */
  log(): string { return readFileSync(this.logFile, "utf8"); }

  /**
   * Starts it, from a folder that is neither the project's nor the binary's; returns when it serves pages.
   * `crashAt` makes it end itself at a step boundary: STEP:intended, STEP:done or STEP:recorded.
   */
  async start(options: { crashAt?: string } = {}): Promise<void> {
    const crash = options.crashAt === undefined ? [] : ["--crash-at", options.crashAt];
    const log = openSync(this.logFile, "a");
    const child = spawn(LIFEBOAT, ["serve", "--config", this.config, "--listen", this.address, ...crash], {
      cwd: this.lab.folder,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    let failure: Error | undefined;
    child.once("error", (error) => (failure = error));
    this.child = child;
    await until(`the server at ${this.url}`, async () => {
      if (failure) throw failure;
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the server ended at once (${child.signalCode ?? `exit code ${child.exitCode}`}):\n${this.log()}`);
      }
      // Until it listens there is nothing to talk to; any answer that is not a fault of the server's will do.
      const answer = await fetch(`${this.url}/login`, { redirect: "manual" }).catch(() => undefined);
      return answer !== undefined && answer.status < 500;
    }, 20_000);
  }

  /** `kill -9`, as in a crash or a power loss. */
  async kill(): Promise<void> {
    this.stops += 1;
    if (this.child) await end(this.child, "SIGKILL");
  }

  /** Waits until it has ended by itself, as `crashAt` makes it. */
  async ended(timeoutMs = 30_000): Promise<void> {
    this.stops += 1;
    const child = this.child;
    await until("the end of the server", () => !child || child.exitCode !== null || child.signalCode !== null, timeoutMs);
  }

  /** Crashes it and starts it again on the same store and address. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Stops it the polite way; not obeying within ten seconds is a fault. */
  async down(): Promise<void> {
    this.stops += 1;
    if (this.child && (await end(this.child, "SIGTERM")) === "killed") {
      throw new Error(`the server did not stop on SIGTERM within 10 s:\n${this.log()}`);
    }
  }

  /** What `lifeboat status --json` prints; its exit code says how things stand, so any of its three is an answer. */
  async status<T>(): Promise<T> {
    const { stdout } = await run(["status", "--json", "--config", this.config], { codes: [0, 1, 2] });
    return JSON.parse(stdout) as T;
  }

  /** The journal's entries about the operation whose page has this path, oldest first. */
  async timed(path: string): Promise<{ at: string; actor: { who: string; name?: string }; event: JournalEvent }[]> {
    const { stdout } = await run(["journal", "show", "--json", "--operation", path.split("/").at(-1) ?? "", "--config", this.config]);
    return JSON.parse(stdout) as { at: string; actor: { who: string; name?: string }; event: JournalEvent }[];
  }

  /** The newest entries of the whole journal, oldest first. */
  async journal(limit = 2_000): Promise<{ seq: number; at: string; event: JournalEvent }[]> {
    const { stdout } = await run(["journal", "show", "--json", "--limit", String(limit), "--config", this.config]);
    return JSON.parse(stdout) as { seq: number; at: string; event: JournalEvent }[];
  }

  /** The same, without their times. */
  async entries(path: string): Promise<JournalEvent[]> {
    return (await this.timed(path)).map(({ event }) => event);
  }

  /** Memory of the server that is resident now. */
  async rssKiB(): Promise<number> {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.child?.pid}/status`, "utf8"))?.[1]);
  }

  /** What an operation measured, as the journal has it. */
  async measured(path: string): Promise<Measured> {
    const last = (await this.entries(path)).findLast(({ event }) => event === "operation-measured");
    if (!last) throw new Error(`${path} measured nothing`);
    return last.measured as Measured;
  }

  /** Sends a form as `page`'s person would with a tool of their own, and returns what the server answers. */
  async post(page: Page, path: string, form: Record<string, string>): Promise<string> {
    const answer = await page.request.post(`${this.url}${path}`, { form, headers: { accept: "application/json", origin: this.url }, maxRedirects: 0 });
    return answer.text();
  }

  /** The cookies of a signed-in account. Signs in once per account, through the form: sign-ins are rate limited. */
  async session(browser: Browser, account: Account): Promise<StorageState> {
    const known = this.signedIn.get(account);
    if (known) return known;
    const context = await browser.newContext({ baseURL: this.url });
    const page = await context.newPage();
    await page.goto("/login");
    await page.locator('input[name="name"]').fill(account);
    await page.locator('input[name="password"]').fill(this.lab.password(account));
    await page.locator('input[name="password"]').press("Enter");
    await page.waitForURL((url) => url.pathname !== "/login");
    const state = await context.storageState();
    await context.close();
    this.signedIn.set(account, state);
    return state;
  }
}

/** A port nobody listens on right now. */
async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen({ host: "127.0.0.1", port: 0 }, () => {
      const address = probe.address();
      probe.close(() => (address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}
