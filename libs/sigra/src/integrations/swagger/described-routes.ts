import { type INestApplication, RequestMethod, VersioningType } from '@nestjs/common';
import { ApplicationConfig, MetadataScanner, ModulesContainer } from '@nestjs/core';
import { RoutePathFactory } from '@nestjs/core/router/route-path-factory.js';
import type { Target } from '../../auth/route-metadata.js';

/** A route of the application, as a document names it. */
export interface DescribedRoute {
  /** With parameters in braces. */
  readonly path: string;
  /** In lower case. */
  readonly method: string;
  readonly controller: Target;
  readonly handler: Target;
}

/** What a route is made of, as Nest's router reads it. */
type PathParts = Parameters<RoutePathFactory['create']>[0];

/** Where Nest keeps the parts of a route. */
const PATH = 'path';
const METHOD = 'method';
const VERSION = '__version__';
const MODULE_PATH = '__module_path__';

/** Methods that a document can describe, in place of `@All()`. */
const METHODS = ['get', 'post', 'put', 'delete', 'patch', 'options', 'head'];

/** `:name` and `*name` of a path, also in quotes. */
const PARAMETER = /(?<!\\)[:*](?:"([^"]+)"|([\p{L}\p{N}_$]+))/gu;

/**
 * The routes of all controllers, as Nest's router makes them, with global prefix, version and the prefixes of `RouterModule`.
 *
 * @param ignoreGlobalPrefix as the option of `SwaggerModule.createDocument()`
 */
export function* routesOf(app: INestApplication, ignoreGlobalPrefix: boolean): Iterable<DescribedRoute> {
  const application = app.get(ApplicationConfig);
  const modules = app.get(ModulesContainer);
  const scanner = new MetadataScanner();
  const paths = new RoutePathFactory(application);
  const versioningOptions = application.getVersioning();
  const globalPrefix = ignoreGlobalPrefix ? '' : prefixOf(application.getGlobalPrefix());
  for (const { metatype, controllers } of modules.values()) {
    const modulePath = read(MODULE_PATH + modules.applicationId, metatype) ?? read(MODULE_PATH, metatype);
    for (const { metatype: controller } of controllers.values()) {
      if (typeof controller !== 'function') continue;
      const prototype = controller.prototype as Readonly<Record<string, unknown>>;
      for (const name of scanner.getAllMethodNames(prototype)) {
        const handler = prototype[name];
        if (typeof handler !== 'function' || read(PATH, handler) === undefined) continue;
        const isUri = versioningOptions?.type === VersioningType.URI;
        const parts = {
          modulePath,
          globalPrefix,
          ctrlPath: read(PATH, controller),
          methodPath: read(PATH, handler),
          controllerVersion: isUri ? (read(VERSION, controller) ?? versioningOptions.defaultVersion) : undefined,
          methodVersion: read(VERSION, handler),
          versioningOptions,
        } as PathParts;
        const method = read(METHOD, handler) as RequestMethod;
        for (const path of paths.create(parts, method)) {
          for (const each of methodsOf(method)) yield { path: inBraces(path), method: each, controller, handler };
        }
      }
    }
  }
}

function read(key: string, target: object): unknown {
  return Reflect.getMetadata(key, target);
}

function prefixOf(prefix: string): string {
  const segments = prefix.split('/').filter((segment) => segment !== '');
  return segments.length > 0 ? `/${segments.join('/')}` : '';
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
