import { Inject, Injectable, Logger, RequestMethod } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import type { Readable } from 'node:stream';
import type { ControllerPaths } from '../config/sigra-options.js';
import { applicationRoutes } from './application.routes.js';
import { assertBounded, MAX_BODY_LENGTH } from './body.bounds.js';
import { readAndPutBack } from './body.reader.js';
import { type BodyRequest, FrameworkHooks } from './framework.hooks.js';
import { LeakController } from './leak.controller.js';
import { CONTROLLER_PATHS } from './mounted.routes.js';

interface KnownRoute {
  readonly isReadyMade: boolean;
  readonly pattern: RegExp;
  readonly method: string;
}

/**
 * Bounds the bodies of the ready-made routes before the parsers of the application, whose own limits are for its own routes. The
 * route of leak reports has a limit of its own.
 */
@Injectable()
export class BodyLimits {
  private readonly logger = new Logger(BodyLimits.name);
  private routes: readonly KnownRoute[] = [];
  private hasWarned = false;

  constructor(
    @Inject(CONTROLLER_PATHS) paths: ControllerPaths,
    private readonly application: ApplicationConfig,
    private readonly modules: ModulesContainer,
    hooks: FrameworkHooks,
  ) {
    if (Object.keys(paths).length === 0) return;
    hooks.readBodies({
      isConcerned: (method, path) => this.isConcerned(method, path),
      read: (request, body) => this.read(request, body),
    });
  }

  /** Call it before the application registers its routes, when it has set its prefix and versions. */
  register(): void {
    const module = [...this.modules.values()].find(({ providers }) => providers.get(BodyLimits)?.instance === this);
    const readyMade = new Set<unknown>([...(module?.controllers.values() ?? [])].map(({ metatype }) => metatype));
    this.routes = [...applicationRoutes(this.application, this.modules)].map(({ path, method, controller }) => ({
      isReadyMade: readyMade.has(controller) && !(controller.prototype instanceof LeakController),
      pattern: patternOf(path),
      method: RequestMethod[method],
    }));
  }

  /**
   * Whether a ready-made route can get the request. Middleware of the application can still change the method, so that its path
   * decides unless the application has a route of its own for it.
   */
  private isConcerned(method: string, path: string): boolean {
    if (!this.routes.some(({ isReadyMade, pattern }) => isReadyMade && pattern.test(path))) return false;
    const route = this.routes.find((each) => [method, 'ALL'].includes(each.method) && each.pattern.test(path));
    return route?.isReadyMade ?? true;
  }

  private async read({ headers, body: parsed }: BodyRequest, body: Readable): Promise<Readable> {
    if (parsed !== undefined || body.readableDidRead) {
      this.warn();
      return body;
    }
    const copy = await readAndPutBack(body, MAX_BODY_LENGTH, Number(headers['content-length'] ?? 0));
    assertBounded(copy.bytes, headers);
    return copy.body;
  }

  private warn(): void {
    if (this.hasWarned) return;
    this.hasWarned = true;
    this.logger.warn(
      'A body was read before Sigra could bound it. Add body parsers to the application after NestFactory.create(), not to ' +
        `the Express application that its adapter or a parent has, or give them a limit of ${MAX_BODY_LENGTH} bytes.`,
    );
  }
}

/** Matches at least the paths that the router does. Express ignores case, and a slash at the end. */
function patternOf(path: string): RegExp {
  const segments = path
    .replace(/\{[^}]*\}/g, '*')
    .split('/')
    .filter((segment) => segment !== '')
    .map((segment) => {
      if (segment.includes('*')) return '.*';
      return segment.includes(':') ? '[^/]+' : segment.replace(/[\\^$.+?()[\]|]/g, '\\$&');
    });
  return new RegExp(`^/${segments.join('/')}/?$`, 'i');
}
