// Figures of `make bench`: collected try by try, printed as one table with the ratios to what they are measured beside.
import { loadavg } from "node:os";
import type { Dashboard } from "./dashboard.ts";

/** How often each move is tried; medians of fewer than seven say little. */
export const TRIES = Number(process.env.TRIES ?? 7);

/** The value below which that share of them lies. */
export function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
const median = (values: number[]) => quantile(values, 0.5);

/** Milliseconds between two kinds of entries of one operation's journal. */
export async function between(dashboard: Dashboard, path: string, from: string, to: string): Promise<number> {
  const entries = await dashboard.timed(path);
  const at = (event: string) => Date.parse(entries.find((entry) => entry.event.event === event)?.at ?? "");
  return at(to) - at(from);
}

interface Beside { bare?: number[]; patroni?: number[]; wanted?: string; unit?: string }

/** One table. What was not measured stands as a dash, never as a number. */
export class Table {
  private readonly rows: string[][] = [["what", "median", "worst", "n", "× bare", "× faster than Patroni", "wanted"]];
  private readonly began = loadavg()[0] ?? Number.NaN;

  /** Values of one kind, with their ratio to the bare script's median, and Patroni's median as a multiple of theirs. */
  figure(what: string, values: number[], { bare, patroni, wanted, unit }: Beside = {}): void {
    const shown = (value: number) => (Number.isFinite(value) ? `${value.toFixed(0)} ${unit ?? "ms"}` : "—");
    const ratio = (over: number, under: number) => (Number.isFinite(over / under) ? (over / under).toFixed(2) : "—");
    const [beside, slower] = [bare ? ratio(median(values), median(bare)) : "", patroni ? ratio(median(patroni), median(values)) : ""];
    this.rows.push([what, shown(median(values)), shown(Math.max(...values)), String(values.length), beside, slower, wanted ?? ""]);
  }
  /** Something counted over all tries. */
  count(what: string, counted: number, tries: number, wanted = ""): void {
    this.rows.push([what, String(counted), "", String(tries), "", "", wanted]);
  }
  print(title: string): void {
    if (this.rows.length === 1) return;
    const widths = this.rows[0]?.map((_, i) => Math.max(...this.rows.map((cells) => cells[i]?.length ?? 0))) ?? [];
    const text = this.rows.map((cells) => cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd()).join("\n");
    console.log(`\n${title} (load of the machine ${this.began.toFixed(1)} at the start, ${(loadavg()[0] ?? Number.NaN).toFixed(1)} at the end)\n${text}\n`);
  }
}
