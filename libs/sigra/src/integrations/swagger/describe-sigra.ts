import type { INestApplication } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { Target } from '../../auth/route-metadata.js';
import { SIGRA_CONFIG, type SigraConfig } from '../../config/sigra-config.js';
import { MountedRoutes, OAUTH_ENDPOINTS } from '../../http/mounted.routes.js';
import { ScopeRegistry } from '../../scopes/scope-registry.js';
import { routesOf } from './described-routes.js';
import { operationsOf } from './ready-made.operations.js';
import { type DocumentedOperation, OperationWriter } from './operation.writer.js';
import { RouteGuards } from './route-security.js';
import { SchemaWriter } from './schema.js';
import { securitySchemes } from './security-schemes.js';

/** The options of `describeSigra()`. */
export interface DescribeSigraOptions {
  /** The name of the cookie of browser sessions. @default 'connect.sid', as express-session has it */
  readonly sessionCookie?: string;
  /** The same as in the options of `SwaggerModule.createDocument()`. @default false */
  readonly ignoreGlobalPrefix?: boolean;
}

/** A reference to Swagger's schema of a body without a class. */
const UNTYPED = '"#/components/schemas/Object"';

/**
 * Completes an OpenAPI document with what the guards and decorators of Sigra enforce: security schemes, the security and the
 * scopes of each operation, and the answers of refusals. The ready-made controllers get summaries, parameters, bodies and
 * answers as well. Descriptions by the application stay as they are.
 *
 * Only operations that the document has are completed, so documents of some modules stay unchanged. Call it with all
 * modules loaded, after `app.setGlobalPrefix()` and `app.enableVersioning()`.
 *
 * @param app the application
 * @param document the result of `SwaggerModule.createDocument(app, config)`; it is changed
 * @returns the document
 *
 * @example
 * const document = describeSigra(app, SwaggerModule.createDocument(app, config));
 * SwaggerModule.setup('docs', app, document);
 */
export function describeSigra<T extends OpenAPIObject>(
  app: INestApplication,
  document: T,
  { sessionCookie = 'connect.sid', ignoreGlobalPrefix = false }: DescribeSigraOptions = {},
): T {
  const config = app.get<SigraConfig>(SIGRA_CONFIG, { strict: false });
  const { names, schemes } = securitySchemes({
    config,
    catalogue: app.get(ScopeRegistry, { strict: false }).catalogue,
    tokenPath: app.get(MountedRoutes, { strict: false }).of('oauth', OAUTH_ENDPOINTS.token),
    sessionCookie,
  });
  const components = (document.components ??= {});
  components.securitySchemes = { ...schemes, ...components.securitySchemes } as typeof components.securitySchemes;
  const schemas = (components.schemas ??= {});
  const writer = new OperationWriter(new SchemaWriter(schemas, document.openapi.startsWith('3.0')), names);
  const readyMade = operationsOf(config);
  const application = app.get(ApplicationConfig);
  for (const [operation, { method, controller, handler }] of operationsIn(document, app, ignoreGlobalPrefix)) {
    const guards = new RouteGuards(application, config, controller, handler);
    const described = readyMade(controller, handler);
    if (described) writer.describe(operation, described);
    writer.guard(operation, guards, method, described);
  }
  if (!JSON.stringify(document).includes(UNTYPED)) delete schemas.Object;
  return document;
}

/** The operations of a document with their routes. Of routes with one address, a document has the last. */
function operationsIn(document: OpenAPIObject, app: INestApplication, ignoreGlobalPrefix: boolean) {
  const found = new Map<DocumentedOperation, { method: string; controller: Target; handler: Target }>();
  for (const { path, ...route } of routesOf(app, ignoreGlobalPrefix)) {
    const methods = document.paths[path] as Readonly<Record<string, DocumentedOperation | undefined>> | undefined;
    const operation = methods?.[route.method];
    if (operation) found.set(operation, route);
  }
  return found;
}
