// Starting, watching and ending processes, by pid only: other labs and browsers run on the same machine.
import { execFile, type ChildProcess } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The binary under test; LIFEBOAT names another one. */
export const LIFEBOAT = process.env.LIFEBOAT ?? fileURLToPath(new URL("../target/release/lifeboat", import.meta.url));

/** What a command printed. One that ends with another exit code than `codes` throws an error carrying both streams. */
export async function run(args: string[], options: { timeoutMs?: number; codes?: number[] } = {}): Promise<{ stdout: string; stderr: string }> {
  try {
    return await promisify(execFile)(LIFEBOAT, args, { timeout: options.timeoutMs ?? 60_000, maxBuffer: 16 << 20 });
  } catch (error) {
    const { code, signal, stdout, stderr } = error as { code?: unknown; signal?: unknown; stdout?: string; stderr?: string };
    if (!signal && options.codes?.includes(code as number)) return { stdout: stdout ?? "", stderr: stderr ?? "" };
    throw new Error(`lifeboat ${args.join(" ")}: ${signal ?? `exit code ${code}`}\n${stdout ?? ""}${stderr ?? ""}`, { cause: error });
  }
}

/** Asks until the answer is neither false nor undefined; at the deadline throws with `what` was awaited. */
export async function until<T>(what: string, ask: () => Promise<T | false | undefined> | T | false | undefined, timeoutMs: number): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25)); // the pause between two polls, never a wait by itself
  }
}

/** Sends a signal to one child, and waits until it is gone; a child that ignores it is killed after `timeoutMs`. */
export async function end(child: ChildProcess, signal: NodeJS.Signals, timeoutMs = 10_000): Promise<"obeyed" | "killed"> {
  if (child.exitCode !== null || child.signalCode !== null) return "obeyed";
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill(signal);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), timeoutMs)));
  const first = await Promise.race([gone, late]);
  clearTimeout(timer);
  if (first !== "late") return "obeyed";
  child.kill("SIGKILL");
  await gone;
  return "killed";
}

/** Processes, other than this one, whose command line contains `text`. */
export function processesNaming(text: string): { pid: number; command: string }[] {
  const found = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      if (command.includes(text)) found.push({ pid: Number(entry), command });
    } catch {
      // It ended between the listing and the look at it: gone is what we hope to find.
    }
  }
  return found;
}
