import { type CanActivate, type ExecutionContext, Injectable, NotFoundException } from '@nestjs/common';
import { requestOf } from '../auth/call-request.js';

/**
 * Separates `DELETE tokens/`, sent by a client that has lost the id of what it wants to revoke, from `DELETE tokens`, which
 * revokes everything. Express routes both to the same handler.
 */
@Injectable()
export class CollectionPathGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const [path = ''] = requestOf(context).url?.split('?') ?? [];
    if (path === '/' || !path.endsWith('/')) return true;
    throw new NotFoundException({ statusCode: 404, error: 'not_found', message: 'The path has no id.' });
  }
}
