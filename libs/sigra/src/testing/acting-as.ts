import type { AdmissionSettings } from '../index.js';
import { ActingGuard } from './acting-guard.js';
import type { ActingPrincipal } from './acting-principal.js';

/**
 * A guard to put in place of `SigraAuthGuard`, `BearerAuthGuard` or `SessionAuthGuard`, for tests of controllers without
 * tokens and without a database. It sets what `@CurrentPrincipal()` and `@CurrentUser()` read, and enforces
 * `@RequireScopes()`, `@OptionalAuth()` and `@AllowAnonymous()` with the answers of the real guards. It reads nothing of
 * the request: neither headers nor cookies, nor where it comes from.
 *
 * @typeParam User the host's user type
 * @param caller who makes the requests, in part: what is left out has a default; or `anonymous`
 * @param settings where the application's `realm` is not `api`, or its `writeImpliesRead` is set
 * @throws TypeError when nothing says who the user is
 *
 * @example
 * const acting = actingAs({ userId: '1', scopes: ['read:projects'] });
 * const module = await Test.createTestingModule({ controllers: [ProjectController] })
 *   .overrideGuard(SigraAuthGuard)
 *   .useValue(acting)
 *   .compile();
 *
 * await request(app.getHttpServer()).post('/projects').expect(403);
 * acting.as({ userId: '1', scopes: ['write:projects'] });
 * await request(app.getHttpServer()).post('/projects').expect(201);
 * acting.as('anonymous');
 * await request(app.getHttpServer()).post('/projects').expect(401);
 *
 * @example
 * // In place of a global guard: { provide: APP_GUARD, useExisting: SigraAuthGuard }
 * Test.createTestingModule({ imports: [AppModule] })
 *   .overrideProvider(SigraAuthGuard)
 *   .useValue(actingAs({ user: ada }));
 */
export function actingAs<User extends object = object>(
  caller: ActingPrincipal<User> | 'anonymous',
  settings?: Partial<AdmissionSettings>,
): ActingGuard<User> {
  return new ActingGuard(caller, settings);
}
