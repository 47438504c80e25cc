// A browser loads the frame and the chunk of its first page, then the other chunks; and what happens where one cannot be had.
import type { Page } from "@playwright/test";
import { expect, test } from "./journey.ts";

/** What the browser asked for under /pkg, without the name of the build. */
function watchFiles(page: Page): string[] {
  const files: string[] = [];
  page.on("request", (request) => {
    const file = /\/pkg\/(\w+)\.[^/]*\.wasm$/.exec(request.url())?.[1];
    if (file !== undefined) files.push(file);
  });
  return files;
}

const alive = (page: Page) => expect(page.getByRole("banner")).toContainText(/live ·/, { timeout: 30_000 });
const CHUNKS = ["backups", "decisions", "databases", "dr_tests", "failover", "journal", "moves", "notifications", "operations", "overview", "runbooks", "services"];

test("the chunk of the page comes first, each file comes once, and then no page needs the network @live", async ({ as, consoleClean }) => {
  consoleClean.allow(/ERR_INTERNET_DISCONNECTED/);
  const page = await as("vera");
  const files = watchFiles(page);
  await page.goto("/journal");
  await alive(page);
  await expect.poll(() => [...files].sort()).toEqual([...CHUNKS, "lifeboat"].sort());
  expect(files.slice(0, 2).sort(), "before everything else").toEqual(["journal", "lifeboat"]);
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  await page.context().setOffline(true);
  await page.getByRole("navigation", { name: "Places" }).getByRole("link", { name: "Services" }).click();
  await expect(page).toHaveTitle(/Services/);
  await expect(page.getByRole("searchbox"), "the page itself, not one about its absence").toBeVisible();
  expect(await page.evaluate(() => "sameDocument" in window), "it was not loaded anew").toBe(true);
  await page.context().setOffline(false);
});

test("a page whose code went with an older build is loaded as a whole @live", async ({ as, consoleClean }) => {
  consoleClean.allow(/Failed to load resource|HTTP status code is not ok|not all pages could be loaded/);
  const page = await as("vera");
  // Nothing but the first page's chunk is there, until the server is asked for a page again: then it is of another build.
  let gone = true;
  await page.route(/\/pkg\/(?!journal|lifeboat)\w+\.[^/]*\.wasm$/, (route) => (gone ? route.fulfill({ status: 404, body: "not here" }) : route.continue()));
  await page.goto("/journal");
  await alive(page);
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  await page.route("**/services", (route) => {
    gone = false;
    return route.continue();
  });
  await page.getByRole("navigation", { name: "Places" }).getByRole("link", { name: "Services" }).click();
  await expect(page).toHaveTitle(/Services/);
  await alive(page);
  expect(await page.evaluate(() => "sameDocument" in window), "it was loaded anew").toBe(false);
});

test("a first page without its chunk stays readable and comes alive when that is there again @live", async ({ as, consoleClean }) => {
  consoleClean.allow(/Failed to load resource|HTTP status code is not ok/);
  const page = await as("vera");
  let documents = 0;
  await page.route((url) => url.pathname === "/journal", (route) => {
    documents += 1;
    return route.continue();
  });
  await page.route(/\/pkg\/journal\.[^/]*\.wasm$/, (route) => (documents < 2 ? route.fulfill({ status: 404, body: "not here" }) : route.continue()));
  await page.goto("/journal");
  await alive(page);
  expect(documents).toBe(2);
});

test("a chunk that nobody has does not make the page reload for ever @live", async ({ as, consoleClean }) => {
  consoleClean.allow(/Failed to load resource|HTTP status code is not ok/);
  const page = await as("vera");
  let documents = 0;
  await page.route((url) => url.pathname === "/journal", (route) => {
    documents += 1;
    return route.continue();
  });
  const refused: number[] = [];
  await page.route(/\/pkg\/journal\.[^/]*\.wasm$/, (route) => {
    refused.push(documents);
    return route.fulfill({ status: 404, body: "not here" });
  });
  await page.goto("/journal");
  await expect.poll(() => refused).toContain(2);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(/Journal/);
  // Links are plain ones then, and the next page is alive.
  await page.getByRole("navigation", { name: "Places" }).getByRole("link", { name: "Services" }).click();
  await alive(page);
  expect(documents).toBe(2);
});
