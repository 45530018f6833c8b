import { type CanActivate, type ExecutionContext, Injectable, NotFoundException } from '@nestjs/common';
import { requestOf } from '../auth/http-exchange.js';

/**
 * Keeps `DELETE tokens/`, which a client sends that has lost the id of the one token that it means, from what
 * `DELETE tokens` does to all of them. Express routes both alike.
 */
@Injectable()
export class CollectionPathGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const [path = ''] = requestOf(context).url?.split('?') ?? [];
    if (path === '/' || !path.endsWith('/')) return true;
    throw new NotFoundException({ statusCode: 404, error: 'not_found', message: 'There is no such token.' });
  }
}
