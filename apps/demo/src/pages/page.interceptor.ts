import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { concatMap, type Observable } from 'rxjs';
import type { HttpReply } from '../http-reply.js';
import { type RequestWithSession, SessionHolder } from '../sessions/browser-session.js';
import { saveSession } from '../sessions/sessions.service.js';
import type { User } from '../users/user.entity.js';
import type { Page } from './page.js';
import { PageRenderer } from './page-renderer.js';

/** Turns the `Page` of a handler into HTML or a redirection, in the same way under both adapters. */
@Injectable()
export class PageInterceptor implements NestInterceptor<Page, string> {
  constructor(private readonly renderer: PageRenderer) {}

  intercept(context: ExecutionContext, next: CallHandler<Page>): Observable<string> {
    return next.handle().pipe(concatMap((page) => this.answer(context, page)));
  }

  private async answer(context: ExecutionContext, page: Page): Promise<string> {
    const request = context.switchToHttp().getRequest<RequestWithSession & { url: string; user?: User }>();
    const reply = context.switchToHttp().getResponse<HttpReply>();
    // Pages are personal, and one of them shows a secret: no cache must keep them.
    reply.header('Cache-Control', 'no-store').header('Content-Type', 'text/html; charset=utf-8');
    if (page.kind === 'redirection') {
      // express-session sends the headers before it saves. A browser follows them at once, and would see the old session.
      const { session } = request.raw ?? request;
      if (session?.notice) await saveSession(session);
      reply.status(303).header('Location', page.to);
      return '';
    }
    reply.status(page.status);
    const session = new SessionHolder(request).current;
    const { notice } = session;
    if (notice) delete session.notice;
    return this.renderer.render(page, { path: pathOf(request.url), user: request.user, notice });
  }
}

function pathOf(url: string): string {
  return url.replace(/\?.*$/s, '');
}
