// A lab of its own for tests: a real platform on loopback, started and torn down through the command a person uses.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { LIFEBOAT, end, processesNaming, run, until } from "./process.ts";

/** Signed-in people of the lab, by name; what each may do is the server's business. */
export type Account = "vera" | "tom" | "olga" | "oskar" | "anna" | "adam";

/** What `lab load --json` found. */
export interface LoadReport {
  started_at: string;
  took_ms: number;
  /** Rows whose commit was acknowledged to the client. */
  acknowledged: number;
  /** Acknowledged rows that the table does not hold: data that was lost. */
  missing: number;
  /** The first of the missing, by number. */
  first_missing: number[];
  /** Rows that were sent and neither acknowledged nor refused, and how many of them the table holds. */
  in_doubt: number;
  in_doubt_present: number;
  /** The longest time between two acknowledged writes. */
  longest_gap: { ms: number; from: string; to: string } | null;
  /** The longest that one acknowledged write took. */
  slowest_ms: number | null;
  refused_ms: number;
  errors: Record<string, number>;
}

/** What kind of lab; without `automation` its estate leaves every failover to people, `patroni` has the second cluster too. */
export interface LabOptions { synchronous?: boolean; automation?: boolean; patroni?: boolean }

/** What `lab status --json` says of nodes and HAProxy; there is more. */
export interface LabStatus {
  nodes: { id: string; life: "running" | "hung" | "dead"; fenced: boolean; database: { role: "primary" | "standby"; timeline: number } | null }[];
  /** Node and `ready`, `drain` or `maint`. */
  haproxy: { servers: [string, string][] };
}

/** The guide's services, in the order in which the lab gives them addresses. */
const SERVICES = [
  "api-gateway", "model-router", "authentication", "user-database", "vector-database", "analytics-database", "dashboard", "billing-service",
  "webhook-service", "logging-service",
];

export class Lab {
  private readonly loads: ChildProcess[] = [];

  private constructor(
    readonly folder: string,
    readonly number: number,
  ) {}

  /**
   * Starts one on a free number, in a new folder; returns when everything in it is ready. Without `automation` its estate
   * leaves every failover to people, for journeys that are about what people do.
   */
  static async up(options: LabOptions = {}): Promise<Lab> {
    let refusal: unknown;
    for (let attempt = 0; attempt < 4; attempt += 1) {
      const number = await freeNumber();
      const folder = mkdtempSync(join(tmpdir(), "lifeboat-lab-"));
      chmodSync(folder, 0o755); // as root the database nodes run as another user, who must be able to get there
      const lab = new Lab(folder, number);
      try {
        await run(["lab", "up", "--folder", folder, "--number", String(number), ...(options.synchronous ? ["--synchronous"] : []), ...(options.patroni ? ["--patroni"] : [])], { timeoutMs: 180_000 });
        // Backups come by themselves at times of the day; in a journey only those that it starts.
        lab.editEstate((text) => text.replaceAll(/^schedule = ".*"$/gm, 'schedule = "0 0 30 2 *"'));
        if (!options.automation) lab.editEstate((text) => text.replaceAll(/^failover = ".*"$/gm, 'failover = "manual"'));
        return lab;
      } catch (error) {
        refusal = error;
        await lab.down().catch((second: unknown) => {
          throw new Error(`${error}\nand cleaning up after it: ${second}`, { cause: error });
        });
        // Somebody else took the number between our look and our use of it: only that is worth another try.
        if (!/in use/i.test(String(error))) break;
      }
    }
    throw refusal;
  }

  /** Changes the estate as a person would, before the dashboard is started. */
  editEstate(change: (text: string) => string): void {
    const path = join(this.folder, "estate.toml");
    writeFileSync(path, change(readFileSync(path, "utf8")));
  }

  /** Adds to the dashboard's configuration, with secrets in files beside it, before the dashboard is started. */
  configure(text: string, secrets: Record<string, string> = {}): void {
    const path = join(this.folder, "lifeboat.toml");
    writeFileSync(path, `${readFileSync(path, "utf8")}\n${text}`);
    for (const [name, secret] of Object.entries(secrets)) writeFileSync(join(this.folder, name), `${secret}\n`);
  }

  /** Comes in as a client of a service does: the status, 0 where nobody listens, and the region that answered. */
  async client(service: string): Promise<{ status: number; region: string | null }> {
    const host = SERVICES.indexOf(service);
    if (host < 0) throw new Error(`the lab has no service ${service}`);
    const front = `http://127.${this.number}.0.${20 + host}:8080/health`;
    // A client waits no longer; what hangs serves nobody.
    const answer = await fetch(front, { headers: { connection: "close" }, signal: AbortSignal.timeout(3_000) }).catch(() => undefined);
    if (!answer) return { status: 0, region: null };
    await answer.arrayBuffer();
    return { status: answer.status, region: answer.headers.get("x-served-by") };
  }

  /** `kill -9`: the node vanishes as in a power loss. */
  kill(node: string) { return this.command("kill", node); }
  /** SIGSTOP: the node is there and says nothing. */
  hang(node: string) { return this.command("hang", node); }
  /** A service answers, but not before so long, clients and probes alike. */
  slow(instance: string, ms: number) { return this.command("slow", instance, "--ms", String(ms)); }
  /** Continues a hung node, starts a dead one, ends what is slow. */
  heal(node: string) { return this.command("heal", node); }
  /** Has HAProxy send whom it sends to a service's region to another port, where nobody listens, or back: probes see nothing of it. */
  async misroute(service: string, region: string, port: number): Promise<void> {
    const number = { "us-east-1": 101, "us-west-2": 102, "eu-west-1": 103 }[region];
    const said = await this.tellHaproxy(`set server ${service}/${region} addr 127.${this.number}.${number}.${20 + SERVICES.indexOf(service)} port ${port}`);
    if (!/changed|no need/i.test(said)) throw new Error(`HAProxy would not: ${said}`);
  }
  /** Nothing passes between the region and any other place, without a word to either side. */
  cut(region: string) { return this.command("cut", region); }
  mend(region: string) { return this.command("mend", region); }

  /** Moves the writes without the product; milliseconds to the first write, and until the old primary streams. Nothing else may act on the lab meanwhile. */
  async bare(kind: "switchover" | "failover", target: string): Promise<{ to_first_write_ms: number; rejoined_ms: number | null }> {
    return JSON.parse((await this.command("bare", kind, target)).stdout) as { to_first_write_ms: number; rejoined_ms: number | null };
  }

  /** SIGKILL to the first process of a node alone: the others end by themselves, and whoever starts nodes sees it at once. */
  killPostmaster(node: string): void {
    const root = (JSON.parse(readFileSync(join(this.folder, "lab.json"), "utf8")) as { node_root: string }).node_root;
    process.kill(Number(readFileSync(join(root, "pg", node, "postmaster.pid"), "utf8").split("\n")[0]), "SIGKILL");
  }

  /** A generated secret of the lab. */
  secret(name: string): string { return readFileSync(join(this.folder, "secrets", name), "utf8").trim(); }

  /** Everything the lab knows of itself, looked at directly and not through the product. */
  async status(): Promise<LabStatus> {
    return JSON.parse((await this.command("status", "--json")).stdout) as LabStatus;
  }

  /** Tells HAProxy something at its control socket, as somebody at a terminal would, behind Lifeboat's back. */
  async tellHaproxy(...commands: string[]): Promise<string> {
    const socket = connect(join(this.folder, "run", "haproxy.sock"));
    socket.write(`${commands.join(";")}\n`);
    let said = "";
    for await (const part of socket.setTimeout(5_000, () => socket.destroy(new Error("HAProxy says nothing")))) said += part;
    return said.trim();
  }

  /** Runs a statement on a node as its superuser, through the socket on its host. */
  async sql(node: string, statement: string): Promise<string> { return this.sqlIn("postgres", node, statement); }
  async sqlIn(database: string, node: string, statement: string): Promise<string> {
    return this.sqlAt(join(this.folder, "sockets", node), "postgres", database, statement);
  }
  /** The same on any server that has its socket in that folder. */
  async sqlAt(socket: string, user: string, database: string, statement: string): Promise<string> {
    const login = ["-h", socket, "-U", user, "-d", database, "-v", "ON_ERROR_STOP=1", "-XAtc", statement];
    return (await promisify(execFile)(psql(), login, { timeout: 10_000 })).stdout.trim();
  }

  /** Starts writing numbered rows through the write endpoint, until stopped. */
  load(options: { pauseMs?: number; cluster?: "orders"; through?: "pooler" | "patroni" } = {}): Load {
    const given = [["--pause-ms", options.pauseMs], ["--cluster", options.cluster], ["--through", options.through]] as const;
    const chosen = given.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
    const child = spawn(LIFEBOAT, ["lab", "load", "--folder", this.folder, "--json", ...chosen], { stdio: ["ignore", "pipe", "pipe"] });
    this.loads.push(child);
    return new Load(child, join(this.folder, "load"));
  }

  /** The generated password of a demo account. */
  password(account: Account): string {
    const passwords = JSON.parse(readFileSync(join(this.folder, "secrets/demo.json"), "utf8")) as Record<string, string>;
    const password = passwords[account];
    if (!password) throw new Error(`the lab has no account ${account}; it has ${Object.keys(passwords).join(", ")}`);
    return password;
  }

  /** Stops it and removes its folder; a process left behind is ended and reported as the fault it is. */
  async down(): Promise<void> {
    let fault: unknown;
    for (const load of this.loads) await end(load, "SIGKILL"); // of a test that failed before it stopped them
    try {
      await this.command("down");
    } catch (error) {
      fault = error;
    }
    const left = processesNaming(this.folder);
    for (const { pid } of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // gone by itself meanwhile
      }
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    if (fault) throw fault;
    if (left.length > 0) throw new Error(`lab down left processes behind:\n${left.map(({ pid, command }) => `${pid} ${command}`).join("\n")}`);
  }

  private command(verb: string, ...args: string[]) {
    return run(["lab", verb, ...args, "--folder", this.folder], { timeoutMs: 90_000 });
  }
}

/** A running load. Its report comes from the command, which compares with the table itself. */
export class Load {
  private stdout = "";
  private stderr = "";
  private readonly closed: Promise<void>;

  constructor(
    private readonly child: ChildProcess,
    private readonly records: string,
  ) {
    child.stdout?.on("data", (text) => (this.stdout += text));
    child.stderr?.on("data", (text) => (this.stderr += text));
    this.closed = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => resolve());
    });
    this.closed.catch(() => undefined); // stop() reports it; without this Node would end the whole run first
  }

  /** Waits until some more rows were acknowledged. */
  async writes(): Promise<void> {
    const kept = () => readdirSync(this.records).reduce((sum, name) => sum + statSync(join(this.records, name)).size, 0);
    const before = kept();
    await until("rows are acknowledged", () => kept() > before + 100, 60_000);
  }

  /** Ends the writing and returns what was acknowledged, and what of it is missing. */
  async stop(): Promise<LoadReport> {
    const how = await end(this.child, "SIGTERM", 60_000); // it may wait half a minute for a writable node, then compares
    await this.closed;
    if (how === "killed" || this.child.exitCode !== 0) {
      throw new Error(`lab load could not verify (${how}, exit code ${this.child.exitCode})\n${this.stdout}${this.stderr}`);
    }
    return JSON.parse(this.stdout) as LoadReport;
  }
}

/** The client that Debian installs with the server; it is not always on the path. */
function psql(): string {
  const folder = "/usr/lib/postgresql";
  const newest = readdirSync(folder).sort((a, b) => Number(a) - Number(b)).at(-1);
  return join(folder, newest ?? "", "bin/psql");
}

/** A lab number whose write endpoint nobody listens on; 77 is left to people. */
async function freeNumber(): Promise<number> {
  const start = Math.floor(Math.random() * 150);
  for (let i = 0; i < 150; i += 1) {
    const number = 100 + ((start + i) % 150);
    if (await isFree(`127.${number}.0.5`, 5432)) return number;
  }
  throw new Error("every lab number from 100 to 249 is taken");
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
