/** A browser without JavaScript: keeps cookies, follows no redirect, and sends forms as from the same origin. */
export class Visitor {
  private cookie: string | undefined;

  constructor(private url: string) {}

  /** Moves the same browser to another port of the host; cookies are valid for all ports. */
  at(url: string): this {
    this.url = url;
    return this;
  }

  async signIn(email = 'ada@example.com', password = 'sigra-demo'): Promise<this> {
    await this.post('/login', { email, password });
    return this;
  }

  get(path: string): Promise<Response> {
    return this.send(path, { headers: { accept: 'text/html' } });
  }

  async html(path: string): Promise<string> {
    return (await this.get(path)).text();
  }

  /** Sends a form. An array stands for a group of checkboxes. */
  post(path: string, fields: Record<string, string | string[]> = {}, headers: Record<string, string> = {}) {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(fields)) {
      for (const each of [value].flat()) body.append(name, each);
    }
    return this.send(path, {
      method: 'POST',
      body,
      headers: { accept: 'text/html', 'sec-fetch-site': 'same-origin', ...headers },
    });
  }

  /** Creates a token as the settings page does. */
  createToken(properties: { name: string; scopes: readonly string[]; [property: string]: unknown }): Promise<Response> {
    return this.sendJson('POST', '/api/tokens', properties);
  }

  /** Sends a request of a script on a page. */
  sendJson(method: string, path: string, body: object = {}): Promise<Response> {
    const headers = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };
    return this.send(path, { method, body: JSON.stringify(body), headers });
  }

  async send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), ...(this.cookie && { cookie: this.cookie }) };
    const response = await fetch(this.url + path, { redirect: 'manual', ...init, headers });
    for (const cookie of response.headers.getSetCookie()) this.cookie = cookie.split(';')[0];
    return response;
  }
}

/** The raw token in a page or an answer, or undefined. */
export function rawTokenOn(html: string): string | undefined {
  return /sigra_sk_[0-9A-Za-z]{49}/.exec(html)?.[0];
}

/** The JSON body of a response, as the type that the test expects. */
export async function jsonOf<T>(response: Promise<Response>): Promise<T> {
  return (await (await response).json()) as T;
}
