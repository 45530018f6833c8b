import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { type Demo, startDemo } from '../../demo/support/start-demo.js';
import { launchBrowser } from '../../support/browser.js';

const SCREENSHOTS = fileURLToPath(new URL('../screenshots/', import.meta.url));

/** The demo, and a browser to visit it with. */
export class Site {
  private constructor(
    readonly demo: Demo,
    private readonly browser: Browser,
  ) {}

  static async open(environment: Record<string, string> = {}): Promise<Site> {
    const demo = await startDemo(environment);
    return new Site(demo, await launchBrowser());
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.demo.stop();
  }

  /** A browser window of its own, with nobody signed in. */
  async visit(options: BrowserContextOptions = {}): Promise<Visit> {
    const context = await this.browser.newContext({ baseURL: this.demo.url, ...options });
    return new Visit(context, await context.newPage());
  }
}

/** What one person does in one window. */
export class Visit {
  /** Everything that the browser complained about: errors in the console, violations of the policy, failed scripts. */
  readonly complaints: string[] = [];

  constructor(
    readonly context: BrowserContext,
    readonly page: Page,
  ) {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
  }

  async signIn(email = 'ada@example.com', password = 'sigra-demo'): Promise<this> {
    await this.page.goto('/login');
    await this.page.getByLabel('Email').fill(email);
    await this.page.getByLabel('Password').fill(password);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
    return this;
  }

  /** Fills in and sends the form; resolves to the raw token that the page then shows. */
  async createToken(name: string): Promise<string> {
    await this.page.goto('/settings/tokens');
    await this.page.getByLabel('Name').fill(name);
    await this.page.getByLabel('read:projects').check();
    await this.page.getByRole('button', { name: 'Create token' }).click();
    return this.page.locator('#raw-token').innerText();
  }

  /** The status that a script on the page gets with a token. */
  async fetchWith(token: string): Promise<number> {
    const headers = JSON.stringify({ authorization: `Bearer ${token}` });
    return this.page.evaluate<number>(`fetch('/api/projects', { headers: ${headers} }).then(({ status }) => status)`);
  }

  async screenshot(name: string): Promise<void> {
    await this.page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });
  }

  close(): Promise<void> {
    return this.context.close();
  }
}
