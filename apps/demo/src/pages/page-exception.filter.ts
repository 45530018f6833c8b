import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Injectable, Logger } from '@nestjs/common';
import { SigraError } from 'nestjs-sigra';
import type { HttpReply } from '../http-reply.js';
import type { User } from '../users/user.entity.js';
import { view } from './page.js';
import { PageRenderer } from './page-renderer.js';
import { loginPath } from './return-path.js';

interface PageRequest {
  readonly method: string;
  readonly url: string;
  readonly user?: User;
}

type PageReply = HttpReply & { send(body: string): unknown };

const HEADINGS: Readonly<Record<number, string>> = {
  400: 'That request is not valid',
  403: 'That is not allowed',
  404: 'There is nothing here',
  503: 'The database does not answer',
};

/** Answers errors with a page: the sign-in page for 401, else a page that explains the error. */
@Catch()
@Injectable()
export class PageExceptionFilter implements ExceptionFilter {
  private readonly logger = new Logger(PageExceptionFilter.name);

  constructor(private readonly renderer: PageRenderer) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<PageRequest>();
    const reply = host.switchToHttp().getResponse<PageReply>();
    const status = statusOf(error);
    reply.header('Cache-Control', 'no-store').header('Content-Type', 'text/html; charset=utf-8');
    if (status === 401) {
      reply.status(303).header('Location', loginPath(request)).send('');
      return;
    }
    if (status === 503 && !isUnknownOutcome(error)) reply.header('Retry-After', '1');
    if (status === 500) this.logger.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    reply.status(status).send(this.errorPage(status, error, request));
  }

  private errorPage(status: number, error: unknown, { url, user }: PageRequest): string {
    const heading = HEADINGS[status] ?? 'Something went wrong';
    // The message of an internal error belongs in the log only.
    const explanation = status < 500 && error instanceof Error ? error.message : undefined;
    const page = view('error', heading, { status, explanation });
    return this.renderer.render(page, { path: url, user });
  }
}

function statusOf(error: unknown): number {
  // A SigraError is one as well.
  return error instanceof HttpException ? error.getStatus() : 500;
}

/** A request that may have been executed must not be repeated without a look. */
function isUnknownOutcome(error: unknown): boolean {
  return error instanceof SigraError && error.code === 'outcome_unknown';
}
