// The lab's second cluster, asked at the REST API of its Patroni and looked at without Lifeboat.
import type { Lab } from "./lab.ts";
import { until } from "./process.ts";

const PLACES = { "orders-east": 1, "orders-west": 2, "orders-eu": 3 } as const;
export type Member = keyof typeof PLACES;

interface Listed { name: Member; role: string; state: string; timeline?: number }

export class Patroni {
  constructor(private readonly lab: Lab) {}

  private rest(member: Member): string { return `http://127.${this.lab.number}.${PLACES[member]}.40:8008`; }

  /** What the first member that answers lists; nothing where none does. */
  private async members(): Promise<Listed[]> {
    for (const member of Object.keys(PLACES) as Member[]) {
      const answer = await fetch(`${this.rest(member)}/cluster`, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
      if (answer?.ok) return ((await answer.json()) as { members: Listed[] }).members;
    }
    return [];
  }

  /** Waits until all three follow one leader on one timeline, and returns it. */
  async settled(timeoutMs = 90_000): Promise<Member> {
    return until("three members behind one leader of Patroni", async () => {
      const members = await this.members();
      const leader = members.find(({ role, state }) => role === "leader" && state === "running");
      const follow = members.every(({ state, timeline }) => ["running", "streaming"].includes(state) && timeline === leader?.timeline);
      return members.length === 3 && follow && leader?.name;
    }, timeoutMs);
  }

  /** Waits until another member than `old` leads. */
  async replaced(old: Member, timeoutMs = 90_000): Promise<Member> {
    return until(`another leader than ${old}`, async () =>
      (await this.members()).find(({ name, role, state }) => name !== old && role === "leader" && state === "running")?.name, timeoutMs);
  }

  /** Asks for a switchover, as `patronictl switchover` does. */
  async switchover(leader: Member, candidate: Member): Promise<void> {
    const authorization = `Basic ${Buffer.from(`lifeboat:${this.lab.secret("patroni-rest")}`).toString("base64")}`;
    const body = JSON.stringify({ leader, candidate });
    const answer = await fetch(`${this.rest(leader)}/switchover`, { method: "POST", headers: { authorization, "content-type": "application/json" }, body });
    if (!answer.ok) throw new Error(`Patroni would not switch over to ${candidate}: ${answer.status} ${await answer.text()}`);
  }

  /** A member that can lead in the place of `leader`. */
  other(leader: Member): Member { return leader === "orders-west" ? "orders-east" : "orders-west"; }
}
