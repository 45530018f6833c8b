import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { describeSigra } from 'nestjs-sigra/swagger';
import { SESSION_COOKIE } from '../sessions/session.middleware.js';

const DESCRIPTION = `
The API of the demo. Every route under \`/api\` accepts an API token (\`Authorization: Bearer sigra_sk_…\`), a JWT, or the
session of a signed-in browser. Each route names the scopes that it needs. Create a token under [Tokens](/settings/tokens), put it into
the variable \`TOKEN\` of your shell, and paste the command of a route. Signed in, you can open routes with GET in the browser.
`;

export const TAGS = [
  'API tokens',
  'Sign-ins',
  'OAuth',
  'Me',
  'Session',
  'Projects',
  'Admin',
  'Administration',
  'Operations',
];

const CONFIG = TAGS.reduce((builder, tag) => builder.addTag(tag), new DocumentBuilder())
  .setTitle('Sigra demo')
  .setDescription(DESCRIPTION)
  .setVersion('0.1.0')
  .build();

/** The OpenAPI document: the demo's routes from their decorators; Sigra's routes, guards and scopes from the library. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const document = SwaggerModule.createDocument(app, CONFIG, { operationIdFactory });
  return describeSigra(app, document, { sessionCookie: SESSION_COOKIE });
}

/** Serves the document under `/docs-json`. `DocsController` serves the page that shows it. */
export function mountOpenApi(app: INestApplication, document: () => OpenAPIObject): void {
  SwaggerModule.setup('docs', app, document, { ui: false, raw: ['json'] });
}

function operationIdFactory(controller: string, method: string): string {
  return `${controller.replace(/Controller$/, '')}_${method}`;
}
