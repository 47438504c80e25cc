// Who is told: a failure of the lab reaches a chat once, and so does its end; the test button says what became of it.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { drill, expect } from "./journey.ts";
import { CLUSTER, isProtected } from "./moves.ts";

/** What a chat was sent: the headers that programs read, and the text that people do. */
interface Heard {
  kind: string;
  incident: string;
  text: string;
}

const test = drill.extend<{ chat: Heard[] }>({
  chat: async ({}, use) => use([]),
  lab: async ({ lab, chat }, use) => {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += chunk));
      request.on("end", () => {
        const header = (name: string) => String(request.headers[name] ?? "");
        chat.push({ kind: header("x-lifeboat-kind"), incident: header("x-lifeboat-incident"), text: (JSON.parse(body) as { text: string }).text });
        response.end("ok");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    lab.configure('[channel.chat]\nkind = "webhook"\nurl_file = "chat-url"\n', { "chat-url": `http://127.0.0.1:${port}/hook` });
    await use(lab);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  },
});

test("a dead primary is told once, and so is its recovery @live", async ({ lab, dashboard, as, chat, accessible }) => {
  test.setTimeout(180_000);
  await isProtected(dashboard);
  const of = (kind: string) => chat.filter((heard) => heard.kind === kind && heard.incident.startsWith(`failure/cluster/${CLUSTER}@`));
  await lab.kill("pg-primary-east");
  await expect.poll(() => of("opened").length, { timeout: 30_000 }).toBe(1);
  expect(of("opened")[0]?.text).toContain("pg-primary-east, the primary, is down");
  const olga = await as("olga");
  await olga.goto("/notifications");
  const main = olga.getByRole("main");
  const cause = main.locator(".incidents li").filter({ hasText: `${CLUSTER} fails` }).first();
  await expect(cause).toContainText("chat delivered");
  await accessible(olga);
  // Acknowledged by the one who looks after it: everybody is told that too.
  await cause.locator("summary").first().click();
  await cause.locator("textarea").first().fill("looking at it");
  await cause.getByRole("button", { name: "Acknowledge, no more reminders" }).first().click();
  await expect.poll(() => of("acknowledged").length, { timeout: 15_000 }).toBe(1);

  await lab.heal("pg-primary-east");
  await expect.poll(() => of("resolved").length, { timeout: 60_000 }).toBe(1);
  await isProtected(dashboard);
  expect(chat.filter(({ incident }) => incident.startsWith(`failure/cluster/${CLUSTER}@`)).map(({ kind }) => kind)).toEqual(["opened", "acknowledged", "resolved"]);
  // The billing service needs the database too, and the guide does not declare it: it is told by itself.
  const others = chat.filter(({ incident }) => incident.startsWith("failure/") && !incident.startsWith(`failure/cluster/${CLUSTER}@`));
  expect(others.filter(({ incident }) => !incident.startsWith("failure/service/billing-service@")), "one alarm for the cause").toEqual([]);
});

test("a test through a channel says what became of it", async ({ dashboard, as, chat, accessible }) => {
  test.setTimeout(120_000);
  const [olga, vera] = [await as("olga"), await as("vera")];
  await olga.goto("/notifications");
  const channel = olga.getByRole("main").locator(".channels li");
  await expect(channel).toContainText("never used");
  await olga.getByRole("button", { name: "Send a test to chat" }).click();
  await expect(channel).toContainText("works");
  await expect(channel).toContainText("200 OK: ok");
  await accessible(olga);
  expect(chat.filter(({ kind }) => kind === "test")).toHaveLength(1);
  const tested = (await dashboard.journal()).filter(({ event }) => event.event === "channel-tested");
  expect(tested.map(({ event }) => event.channel)).toEqual(["chat"]);
  // Who may not sees why, and has no button.
  await vera.goto("/notifications");
  await expect(vera.getByRole("main").locator(".channels li")).toContainText("That takes the role operator or admin");
  await expect(vera.locator('form[action*="test_channel"]')).toHaveCount(0);
});
