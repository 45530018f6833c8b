import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { SESSION_COOKIE } from '../sessions/session.middleware.js';
import { sigraOperations } from './sigra-operations.js';
import { sigraSchemas } from './sigra-schemas.js';

const DESCRIPTION = `
The API of the demo. Every route under \`/api\` accepts an API token (\`Authorization: Bearer sigra_sk_…\`), a JWT, or the
session of a signed-in browser. The description of a route names the scope that it needs. Create a token under
[API tokens](/settings/tokens), and use it here with **Authorize**.
`;

const TAGS = ['API tokens', 'JWT', 'Me', 'Session', 'Projects', 'Admin', 'Operations'];

const CONFIG = TAGS.reduce((builder, tag) => builder.addTag(tag), new DocumentBuilder())
  .setTitle('Sigra demo')
  .setDescription(DESCRIPTION)
  .setVersion('0.1.0')
  .addBearerAuth(
    { type: 'http', scheme: 'bearer', description: 'An API token, such as sigra_sk_…, or a JWT.' },
    'token',
  )
  .addCookieAuth(SESSION_COOKIE, { type: 'apiKey', in: 'cookie', description: 'Sign in at /login.' }, 'session')
  // Either of the two. Routes that need no credential override this.
  .addSecurityRequirements('token')
  .addSecurityRequirements('session')
  .build();

/** The OpenAPI document: the demo's routes from their decorators, and Sigra's from `sigraOperations`. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  return describeSigraRoutes(SwaggerModule.createDocument(app, CONFIG, { operationIdFactory }));
}

/** Serves the document under `/docs-json`. `DocsController` serves the page that shows it. */
export function mountOpenApi(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), { ui: false, raw: ['json'] });
}

function operationIdFactory(controller: string, method: string): string {
  return `${controller.replace(/Controller$/, '')}_${method}`;
}

/** The library's ready-made routes have no Swagger decorators, because it does not depend on Swagger. */
function describeSigraRoutes(document: OpenAPIObject): OpenAPIObject {
  const schemas: Record<string, object> = { ...document.components?.schemas, ...sigraSchemas };
  // Swagger's schema of a body without a class. `sigraOperations` has the real schemas.
  delete schemas.Object;
  document.components = { ...document.components, schemas };
  for (const { method, path, ...description } of sigraOperations) {
    const operation = document.paths[path]?.[method];
    // A wrong description is worse than none, and this runs only when the documentation is requested.
    if (!operation) throw new Error(`The documentation describes ${method} ${path}, which does not exist.`);
    Object.assign(operation, description);
  }
  return document;
}
