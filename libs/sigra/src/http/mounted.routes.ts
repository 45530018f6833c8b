import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import type { ControllerPaths } from '../config/sigra-options.js';

/** The injection token of the paths that the application mounts ready-made controllers under. */
export const CONTROLLER_PATHS = Symbol('CONTROLLER_PATHS');

/** Knows where the routes of the ready-made controllers are. */
@Injectable()
export class MountedRoutes {
  constructor(
    @Inject(CONTROLLER_PATHS) private readonly paths: ControllerPaths,
    private readonly application: ApplicationConfig,
  ) {}

  /** The path of a route below the root, without the prefix of the application; undefined if its controller is not mounted. */
  below(controller: keyof ControllerPaths, route: string): string | undefined {
    const path = this.paths[controller];
    return path === undefined ? undefined : joined(path, route);
  }

  /** The path of a route with `app.setGlobalPrefix()`. */
  of(controller: keyof ControllerPaths, route: string): string | undefined {
    const path = this.below(controller, route);
    if (path === undefined) return undefined;
    const isExcluded = this.application
      .getGlobalPrefixOptions()
      .exclude?.some(({ pathRegex }: { readonly pathRegex?: RegExp }) => pathRegex?.test(path));
    return isExcluded ? path : joined(this.application.getGlobalPrefix(), path);
  }
}

function joined(...parts: readonly string[]): string {
  const segments = parts.flatMap((part) => part.split('/')).filter((segment) => segment !== '');
  return `/${segments.join('/')}`;
}
