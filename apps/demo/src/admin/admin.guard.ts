import { type CanActivate, type ExecutionContext, ForbiddenException, Injectable } from '@nestjs/common';
import type { User } from '../users/user.entity.js';

/**
 * Lets administrators pass. The scope `admin` says what a credential may do, this says what its user may do; neither
 * replaces the other, so that nobody becomes an administrator by ticking a box.
 */
@Injectable()
export class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { user } = context.switchToHttp().getRequest<{ user?: User }>();
    if (user?.isAdmin !== true) throw new ForbiddenException('Only administrators may see this.');
    return true;
  }
}
