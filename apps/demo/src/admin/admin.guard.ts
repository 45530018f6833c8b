import { type CanActivate, type ExecutionContext, ForbiddenException, Injectable } from '@nestjs/common';
import type { User } from '../users/user.entity.js';

/**
 * Allows administrators only. The scope `admin` limits the credential, and this guard limits the user: otherwise every
 * user could become an administrator by creating a token with that scope.
 */
@Injectable()
export class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { user } = context.switchToHttp().getRequest<{ user?: User }>();
    if (user?.isAdmin !== true) throw new ForbiddenException('Only administrators can see this.');
    return true;
  }
}
