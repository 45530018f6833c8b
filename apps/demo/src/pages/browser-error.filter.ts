import {
  type ArgumentsHost,
  Catch,
  ForbiddenException,
  Injectable,
  NotFoundException,
  ServiceUnavailableException,
} from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { PageExceptionFilter } from './page-exception.filter.js';

/**
 * Gives people a page where no page controller gets to answer: an address that does not exist, a form from another
 * site, a session that cannot be read.
 */
@Catch(NotFoundException, ForbiddenException, ServiceUnavailableException)
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
