// Every journey runs twice: in a full browser, and in one without JavaScript, because critical pages and forms must
// work before (and without) WebAssembly. What needs a live page by its nature carries the tag @live; what is about the
// server and not the page carries @once.
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: ".",
  outputDir: "results",
  reporter: "list",
  // A lab is a dozen PostgreSQL and service processes, and a journey mostly waits: two at a time is what two cores carry.
  workers: Number(process.env.WORKERS ?? 2),
  fullyParallel: true,
  forbidOnly: Boolean(process.env.CI),
  retries: 0, // a test that passes the second time has told us something the first time
  timeout: 120_000, // journeys take seconds; this is for two cores that are busy with something else as well
  expect: { timeout: 15_000 },
  use: {
    // Without its film, which costs a fifth of the whole run on two cores; a failed test still takes a picture of its end.
    trace: { mode: "retain-on-failure", screenshots: false },
    screenshot: "only-on-failure",
    // Neither the server's zone nor its language: whatever a page renders from the local ones fails hydration here.
    timezoneId: "Asia/Kolkata",
    locale: "de-DE",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    { name: "bench", testMatch: /\.bench\.ts$/ },
    { name: "browser", use: { javaScriptEnabled: true } },
    { name: "plain", use: { javaScriptEnabled: false }, grepInvert: /@live|@once/ },
  ],
});
