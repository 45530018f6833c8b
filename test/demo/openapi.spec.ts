import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { jsonOf } from '../support/visitor.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';

jest.setTimeout(DEMO_TIMEOUT);

interface Operation {
  summary?: string;
  tags?: string[];
  responses: Record<string, object>;
  requestBody?: object;
  security?: object[];
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
  security: object[];
  components: { schemas: Record<string, object>; securitySchemes: object };
}

describe.each(ADAPTERS)('the OpenAPI document of the demo on %s', (adapter) => {
  let demo: Demo;
  let document: Document;

  const operations = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        route: `${method.toUpperCase()} ${path}`,
        ...operation,
      })),
    );

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
    document = await jsonOf<Document>(fetch(`${demo.url}/docs-json`));
  });
  afterAll(() => demo.stop());

  it('describes every route of the API, including those of the library', () => {
    expect(
      operations()
        .map(({ route }) => route)
        .sort(),
    ).toEqual([
      'DELETE /api/admin/tokens/{id}',
      'DELETE /api/jwt',
      'DELETE /api/jwt/{id}',
      'DELETE /api/tokens',
      'DELETE /api/tokens/owners/{ownerType}/{ownerId}',
      'DELETE /api/tokens/owners/{ownerType}/{ownerId}/{id}',
      'DELETE /api/tokens/{id}',
      'DELETE /session',
      'GET /.well-known/jwks.json',
      'GET /api/admin/stats',
      'GET /api/admin/tokens',
      'GET /api/admin/tokens/{id}',
      'GET /api/jwt',
      'GET /api/me',
      'GET /api/projects',
      'GET /api/projects/{id}',
      'GET /api/scopes',
      'GET /api/tokens',
      'GET /api/tokens/owners/{ownerType}/{ownerId}',
      'GET /health',
      'GET /metrics',
      'PATCH /api/tokens/owners/{ownerType}/{ownerId}/{id}',
      'PATCH /api/tokens/{id}',
      'POST /api/admin/tokens/lookup',
      'POST /api/admin/tokens/revoke',
      'POST /api/jwt',
      'POST /api/projects',
      'POST /api/tokens',
      'POST /api/tokens/owners/{ownerType}/{ownerId}',
      'POST /api/tokens/owners/{ownerType}/{ownerId}/{id}/rotate',
      'POST /api/tokens/{id}/rotate',
      'POST /oauth/introspect',
      'POST /oauth/revoke',
      'POST /oauth/token',
      'POST /session',
    ]);
    for (const { summary, tags, responses } of operations()) {
      expect(summary).toMatch(/^[A-Z]/);
      expect(tags).toHaveLength(1);
      expect(Object.keys(responses)).toContainEqual(expect.stringMatching(/^20[014]$/));
    }
  });

  it('describes request bodies', () => {
    expect(document.paths['/api/tokens']!.post!.requestBody).toEqual({
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/CreateApiToken' } } },
    });
    expect(document.components.schemas).not.toHaveProperty('Object');
  });

  it('contains every schema that it refers to', () => {
    const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)];

    expect(references.length).toBeGreaterThan(20);
    for (const [, name] of references) expect(Object.keys(document.components.schemas)).toContain(name);
  });

  it('has an example in each body and each JSON answer of the library', () => {
    /** The schema and those that it refers to, as text. */
    const textOf = (schema: object, known: readonly string[] = []): string => {
      const text = JSON.stringify(schema);
      const names = [...text.matchAll(/schemas\/(\w+)"/g)].flatMap(([, name]) => name ?? []);
      const others = names.filter((name) => !known.includes(name));
      const all = [...known, ...others];
      return [text, ...others.map((name) => textOf(document.components.schemas[name]!, all))].join('');
    };
    const own = operations().filter(({ route }) => / \/(?:api\/(?:tokens|jwt|scopes|admin\/tokens)|oauth)/.test(route));
    const parts = own.flatMap(({ route, requestBody, responses }) => [
      ...(requestBody ? [{ part: `${route}, body`, text: textOf(requestBody) }] : []),
      ...Object.entries(responses)
        .filter(([status, response]) => status.startsWith('2') && 'content' in response)
        .map(([status, response]) => ({ part: `${route}, ${status}`, text: textOf(response) })),
    ]);

    expect(parts.length).toBeGreaterThan(20);
    const without = parts.filter(({ text }) => !text.includes('"example"')).map(({ part }) => part);
    // Its answer is an object without members.
    expect(without).toEqual(['POST /oauth/revoke, 200']);
  });

  it('requires a token or a session, except on open routes', () => {
    const open = operations().filter(({ security }) => security?.length === 0);

    expect(document.components.securitySchemes).toMatchObject({
      apiToken: { type: 'http', scheme: 'bearer' },
      jwt: { type: 'http', scheme: 'bearer' },
      session: { type: 'apiKey', in: 'cookie', name: 'sigra_demo' },
      oauth2: { flows: { clientCredentials: { tokenUrl: '/oauth/token', scopes: { admin: expect.any(String) } } } },
    });
    expect(document.security).toBeUndefined();
    expect(document.paths['/api/me']!.get!.security).toEqual([
      { apiToken: [] },
      { jwt: [] },
      { session: [] },
      { oauth2: [] },
    ]);
    expect(document.paths['/api/jwt']!.post!.security).toEqual([{ session: [] }]);
    expect(open.map(({ route }) => route).sort()).toEqual([
      'DELETE /session',
      'GET /.well-known/jwks.json',
      'GET /health',
      'GET /metrics',
      'POST /session',
    ]);
  });

  it('describes the properties of a real answer', async () => {
    const headers = { authorization: `Bearer ${demo.token}` };

    const { tokens } = await jsonOf<{ tokens: object[] }>(fetch(`${demo.url}/api/tokens`, { headers }));

    const { properties, required } = document.components.schemas.ApiToken as { properties: object; required: string[] };
    expect(Object.keys(tokens[0]!).sort()).toEqual([...required].sort());
    // Only a token of an organization says who made it.
    expect(Object.keys(properties).sort()).toEqual([...required, 'creator'].sort());
  });
});
