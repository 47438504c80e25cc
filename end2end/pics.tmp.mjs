import { chromium } from "@playwright/test";
const [base, user, pass, tag, ...paths] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const width of [1440, 390]) for (const scheme of ["light", "dark"]) {
  if (width === 390 && scheme === "dark" && process.env.FEW) continue;
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
  const page = await context.newPage();
  page.on("console", (m) => console.log(m.type(), m.text()));
  await page.goto(base + "/login");
  await page.locator("input[name=name]").fill(user);
  await page.locator("input[name=password]").fill(pass);
  await page.locator("button[type=submit]").click();
  await page.waitForURL((url) => !url.pathname.startsWith("/login"));
  let i = 0;
  for (const path of paths) {
    await page.goto(base + path); await page.waitForTimeout(900);
    await page.screenshot({ path: `/tmp/s3/${tag}${i}-${width}-${scheme}.png`, fullPage: true });
    i += 1;
  }
  await context.close();
}
await browser.close();
