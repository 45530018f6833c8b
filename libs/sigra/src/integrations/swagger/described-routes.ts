import { type INestApplication, RequestMethod } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import type { Target } from '../../auth/route-metadata.js';
import { applicationRoutes } from '../../http/application.routes.js';

/** A route of the application, as a document names it. */
export interface DescribedRoute {
  /** With parameters in braces. */
  readonly path: string;
  /** In lower case. */
  readonly method: string;
  readonly controller: Target;
  readonly handler: Target;
}

/** Methods that a document can describe, in place of `@All()`. */
const METHODS = ['get', 'post', 'put', 'delete', 'patch', 'options', 'head'];

/** `:name` and `*name` of a path, also in quotes. */
const PARAMETER = /(?<!\\)[:*](?:"([^"]+)"|([\p{L}\p{N}_$]+))/gu;

/**
 * The routes of all controllers as a document names them.
 *
 * @param ignoreGlobalPrefix as the option of `SwaggerModule.createDocument()`
 */
export function* routesOf(app: INestApplication, ignoreGlobalPrefix: boolean): Iterable<DescribedRoute> {
  const routes = applicationRoutes(app.get(ApplicationConfig), app.get(ModulesContainer), ignoreGlobalPrefix);
  for (const { path, method, controller, handler } of routes) {
    for (const each of methodsOf(method)) yield { path: inBraces(path), method: each, controller, handler };
  }
}

function methodsOf(method: RequestMethod): readonly string[] {
  return method === RequestMethod.ALL ? METHODS : [RequestMethod[method].toLowerCase()];
}

/** Optional parts have braces in a path of Nest, which a document does not know. */
function inBraces(path: string): string {
  return path
    .replaceAll(/\(\^[^)]+\)/g, '')
    .replaceAll(/(?<!\\)[{}]/g, '')
    .replaceAll(PARAMETER, (_whole, quoted: string | undefined, name: string) => `{${quoted ?? name}}`)
    .replaceAll('\\', '');
}
