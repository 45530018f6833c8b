import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import type { ControllerPaths } from '../config/sigra-options.js';

/** The injection token of the paths that the application mounts ready-made controllers under. */
export const CONTROLLER_PATHS = Symbol('CONTROLLER_PATHS');

/** The paths of the OAuth endpoints below that of their controller. */
export const OAUTH_ENDPOINTS = { token: 'token', revocation: 'revoke', introspection: 'introspect' } as const;

/** Where `RouterModule` keeps the path of a module, with the id of the application added. */
const MODULE_PATH = '__module_path__';

/** Knows where the routes of the ready-made controllers are. */
@Injectable()
export class MountedRoutes {
  constructor(
    @Inject(CONTROLLER_PATHS) private readonly paths: ControllerPaths,
    private readonly application: ApplicationConfig,
    private readonly modules: ModulesContainer,
  ) {}

  /** The path of a route below the root, without the prefixes of the application; undefined if its controller is not mounted. */
  below(controller: keyof ControllerPaths, route: string): string | undefined {
    const path = this.paths[controller];
    return path === undefined ? undefined : joined(path, route);
  }

  /** The path of a route with the prefixes of `app.setGlobalPrefix()` and of a `RouterModule`. */
  of(controller: keyof ControllerPaths, route: string): string | undefined {
    const mounted = this.below(controller, route);
    if (mounted === undefined) return undefined;
    const path = joined(this.modulePath(), mounted);
    const isExcluded = this.application
      .getGlobalPrefixOptions()
      .exclude?.some(({ pathRegex }: { readonly pathRegex?: RegExp }) => pathRegex?.test(path));
    return isExcluded ? path : joined(this.application.getGlobalPrefix(), path);
  }

  private modulePath(): string {
    const module = [...this.modules.values()].find(({ providers }) => providers.has(MountedRoutes));
    const keys = [MODULE_PATH + this.modules.applicationId, MODULE_PATH];
    const paths = module ? keys.map((key): unknown => Reflect.getMetadata(key, module.metatype)) : [];
    return paths.find((path) => typeof path === 'string') ?? '';
  }
}

function joined(...parts: readonly string[]): string {
  const segments = parts.flatMap((part) => part.split('/')).filter((segment) => segment !== '');
  return `/${segments.join('/')}`;
}
