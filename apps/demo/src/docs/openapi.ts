import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { SESSION_COOKIE } from '../sessions/session.middleware.js';
import { describeSigraRoutes } from './sigra-routes.js';

const DESCRIPTION = `
The API of the demo. Every route under \`/api\` takes an API token (\`Authorization: Bearer sigra_sk_…\`), a JWT, or the
session of a browser that is signed in; routes that need a scope say so. Make a token under
[API tokens](/settings/tokens), and use it here with **Authorize**.
`;

const CONFIG = new DocumentBuilder()
  .setTitle('Sigra demo')
  .setDescription(DESCRIPTION)
  .setVersion('0.1.0')
  .addBearerAuth(
    { type: 'http', scheme: 'bearer', description: 'An API token, such as sigra_sk_…, or a JWT.' },
    'token',
  )
  .addCookieAuth(SESSION_COOKIE, { type: 'apiKey', in: 'cookie', description: 'Sign in at /login.' }, 'session')
  // Either of the two; routes that are open say so themselves.
  .addSecurityRequirements('token')
  .addSecurityRequirements('session')
  .build();

/** The OpenAPI document: what decorators say of the demo's routes, and what `describeSigraRoutes` says of Sigra's. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  return describeSigraRoutes(SwaggerModule.createDocument(app, CONFIG, { operationIdFactory }));
}

/** Serves the document under `/docs-json`; the page that shows it is `DocsController`'s. */
export function mountOpenApi(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), { ui: false, raw: ['json'] });
}

function operationIdFactory(controller: string, method: string): string {
  return `${controller.replace(/Controller$/, '')}_${method}`;
}
