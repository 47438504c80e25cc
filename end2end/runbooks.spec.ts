// Runbooks as people use them: written with the linter beside, saved, overtaken, begun, worked by in two browsers. With and without JavaScript.
import { readFileSync } from "node:fs";
import { drill as test, expect, type Page } from "./journey.ts";
import { isProtected } from "./moves.ts";

/** Waits for words on the page; without JavaScript a person reloads. */
async function shows(page: Page, javaScriptEnabled: boolean | undefined, words: RegExp): Promise<void> {
  const main = page.getByRole("main");
  if (javaScriptEnabled === false) {
    await expect(async () => { await page.reload(); await expect(main).toContainText(words, { timeout: 500 }); }).toPass({ timeout: 60_000 });
  } else {
    await expect(main).toContainText(words, { timeout: 60_000 });
  }
}

const TEXT = `# Count the rows

\`\`\`runbook
owner = "Tests"
review_by = "2030-01-01"
rto = "15m"

[[parameter]]
name = "cluster"
type = "cluster"
\`\`\`

## Steps

### Look at the alarms

\`\`\`step
id = "look"
type = "manual"
cluster = "{{cluster}}"
timeout = "5m"
success = "they are quiet"
\`\`\`

### Ask the database

\`\`\`step
id = "ask"
type = "sql"
cluster = "{{cluster}}"
statement = "select pg_is_in_recovery() as standby"
expect = "false"
timeout = "30s"
success = "it takes writes"
\`\`\`

### Wait for the standbys

\`\`\`step
id = "wait"
type = "wait"
until = "protected"
cluster = "{{cluster}}"
timeout = "1m"
\`\`\`

### Agree

\`\`\`step
id = "agree"
type = "approval"
cluster = "{{cluster}}"
timeout = "5m"
\`\`\`

## Messages

### news

\`\`\`message
next_update = "15m"
\`\`\`

As of {{now}}: {{run.done}}. More at {{next_update}}.
`;

test("a runbook is written with the linter beside, nobody's text is lost, and two people work by it", async ({ dashboard, as, accessible, javaScriptEnabled }) => {
  test.setTimeout(240_000);
  await isProtected(dashboard);
  const olga = await as("olga");
  await olga.goto("/runbooks");
  await shows(olga, javaScriptEnabled, /A region is lost/);
  await expect(olga.getByRole("main")).toContainText("Data is corrupt");
  await accessible(olga);

  // The trap is told: as it is typed, or by the button.
  await olga.getByRole("link", { name: "Write or import a runbook" }).click();
  await olga.waitForURL("**/runbooks/new");
  await olga.getByLabel("Name").fill("count");
  const trap = TEXT.replace("### Ask the database\n", "### Ask the database\n\n```\nsleep 30\n```\n");
  await olga.getByRole("textbox", { name: "Runbook" }).fill(trap);
  if (javaScriptEnabled === false) await olga.getByRole("button", { name: "Check it" }).click();
  await expect(olga.locator(".checked")).toContainText("it waits for a length of time", { timeout: 30_000 });
  await accessible(olga);
  await olga.getByRole("textbox", { name: "Runbook" }).fill(TEXT);
  await olga.getByRole("button", { name: "Save it as version 1" }).click();
  await olga.waitForURL("**/runbooks/count");
  await expect(olga.getByRole("main")).toContainText("the linter complains of nothing");
  await accessible(olga);
  const [download] = await Promise.all([olga.waitForEvent("download"), olga.getByRole("link", { name: "Export as Markdown" }).click()]);
  expect(readFileSync(await download.path(), "utf8")).toBe(TEXT);

  // Two edit at once: nothing is written over, and the two texts can be compared.
  const oskar = await as("oskar");
  await oskar.goto("/runbooks/count/edit");
  await olga.goto("/runbooks/count/edit");
  await olga.getByRole("textbox", { name: "Runbook" }).fill(TEXT.replace("they are quiet", "nobody is called"));
  await olga.getByRole("button", { name: "Save it as version 2" }).click();
  await olga.waitForURL("**/runbooks/count");
  await oskar.getByRole("textbox", { name: "Runbook" }).fill(TEXT.replace("it takes writes", "it is the primary"));
  await oskar.getByRole("button", { name: "Save it as version 2" }).click();
  await oskar.waitForURL(/edit\?draft=/);
  await expect(oskar.getByRole("alert")).toContainText("version 2 was saved while you wrote");
  await oskar.getByRole("link", { name: "Compare your text with version 2" }).click();
  await expect(oskar.locator(".diff .gone")).toContainText(["nobody is called", "it takes writes"]);
  await accessible(oskar);

  // A run: it asks for what is open, and each step says who did what.
  await olga.goto("/runbooks/count");
  await olga.getByLabel("cluster").selectOption("user-database");
  await olga.getByLabel("Why").fill("a drill");
  await olga.getByRole("button", { name: "Begin a run" }).click();
  await olga.waitForURL("**/runbooks/runs/*");
  const address = new URL(olga.url()).pathname;
  await olga.getByRole("button", { name: "Begin: Look at the alarms" }).click();
  await shows(olga, javaScriptEnabled, /begun by olga/);
  await oskar.goto(address);
  await shows(oskar, javaScriptEnabled, /begun by olga/);
  // Both have the same step before them; the second one, whose page does not follow the news, is told who was first.
  const late = await (await olga.context().browser()!.newContext({ storageState: await olga.context().storageState(), javaScriptEnabled: false })).newPage();
  await late.goto(new URL(address, olga.url()).href);
  await oskar.getByRole("button", { name: "Done: Look at the alarms" }).click();
  await shows(oskar, javaScriptEnabled, /done by oskar/);
  await late.getByRole("button", { name: "Done: Look at the alarms" }).click();
  await expect(late.getByRole("alert")).toContainText("oskar has ended “Look at the alarms” already");
  await late.context().close();
  await shows(olga, javaScriptEnabled, /done by oskar/);
  await olga.getByRole("button", { name: "Begin: Ask the database" }).click();
  await shows(olga, javaScriptEnabled, /"standby":false/);
  await olga.getByRole("button", { name: "Begin: Wait for the standbys" }).click();
  await shows(olga, javaScriptEnabled, /user-database is protected/);
  await olga.getByRole("button", { name: "Begin: Agree" }).click();
  await shows(olga, javaScriptEnabled, /0 of 1 have agreed/);
  await expect(olga.getByRole("button", { name: "Agree: Agree" })).toHaveCount(0);
  await accessible(olga);

  // Others are told by a message with what is true now.
  await olga.locator("summary", { hasText: "news" }).click();
  await expect(olga.getByLabel("Text")).toHaveValue(/3 of 4 steps are done/);
  await olga.getByLabel("Sent to, by what").fill("customers, by the status page");
  await olga.getByRole("button", { name: "It is sent" }).click();
  await shows(olga, javaScriptEnabled, /news to customers, by the status page, by olga/);
  await expect(olga.getByRole("main")).toContainText("The next message is promised for");

  await oskar.goto(address);
  await oskar.locator("#said-approve-4").fill("I have seen it too");
  await oskar.getByRole("button", { name: "Agree: Agree" }).click();
  await shows(oskar, javaScriptEnabled, /completed/);
  await expect(oskar.getByRole("main")).toContainText("4 of 4 steps are done");

  // A viewer sees all of it and does nothing; the journal has the story.
  const vera = await as("vera");
  await vera.goto(address);
  await expect(vera.getByRole("main")).toContainText("I have seen it too");
  await expect(vera.getByRole("button", { name: "It is sent" })).toHaveCount(0);
  await vera.goto("/journal?kind=runbooks");
  await expect(vera.getByRole("main")).toContainText(/a text was NOT saved, for version 2 was saved meanwhile/);
  await expect(vera.getByRole("main")).toContainText(/is complete/);
});
