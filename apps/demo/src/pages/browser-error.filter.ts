import { type ArgumentsHost, Catch, ForbiddenException, Injectable, NotFoundException } from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { PageExceptionFilter } from './page-exception.filter.js';

/** Gives people a page where no page controller answers: an address that does not exist, a form from another site. */
@Catch(NotFoundException, ForbiddenException)
@Injectable()
export class BrowserErrorFilter extends BaseExceptionFilter {
  constructor(
    private readonly pages: PageExceptionFilter,
    adapterHost: HttpAdapterHost,
  ) {
    super(adapterHost.httpAdapter);
  }

  override catch(error: unknown, host: ArgumentsHost): void {
    const { url, headers } = host.switchToHttp().getRequest<{ url: string; headers: { accept?: string } }>();
    const wantsPage = headers.accept?.includes('text/html') === true && !url.startsWith('/api/');
    if (wantsPage) this.pages.catch(error, host);
    else super.catch(error, host);
  }
}
