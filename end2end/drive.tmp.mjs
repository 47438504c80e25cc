import { chromium } from "@playwright/test";
const [base, user, pass] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await (await browser.newContext()).newPage();
page.on("console", (m) => console.log(m.type(), m.text()));
await page.goto(base + "/login");
await page.locator("input[name=name]").fill(user); await page.locator("input[name=password]").fill(pass);
await page.locator("button[type=submit]").click(); await page.waitForURL((u) => !u.pathname.startsWith("/login"));
for (const p of ["user-database-daily", "user-database-dump"]) {
  await page.goto(base + "/backups/" + p);
  await page.locator("#reason-to-start").fill("looking at it");
  await page.getByRole("button", { name: "Back up now" }).click();
  await page.waitForTimeout(8000);
}
console.log(await page.locator("main").innerText());
await browser.close();
