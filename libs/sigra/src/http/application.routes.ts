import { type RequestMethod, VersioningType } from '@nestjs/common';
import { type ApplicationConfig, MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { RoutePathFactory } from '@nestjs/core/router/route-path-factory.js';
import type { Target } from '../auth/route-metadata.js';

/** A route of a controller. */
export interface ApplicationRoute {
  /** As Nest registers it, such as `/v1/api/tokens/:id`. */
  readonly path: string;
  readonly method: RequestMethod;
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

/**
 * The routes of all controllers, as Nest's router makes them, with global prefix, version and the prefixes of `RouterModule`. Call
 * it when the application has set these.
 *
 * @param ignoreGlobalPrefix as the option of `SwaggerModule.createDocument()`
 */
export function* applicationRoutes(
  application: ApplicationConfig,
  modules: ModulesContainer,
  ignoreGlobalPrefix = false,
): Iterable<ApplicationRoute> {
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
        for (const path of paths.create(parts, method)) yield { path, method, controller, handler };
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
