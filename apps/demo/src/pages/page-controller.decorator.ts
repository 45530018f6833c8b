import { applyDecorators, Controller, UseFilters, UseInterceptors } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { PageExceptionFilter } from './page-exception.filter.js';
import { PageInterceptor } from './page.interceptor.js';

/** A controller whose handlers return pages. */
export const PageController = (path = '') =>
  applyDecorators(
    Controller(path),
    ApiExcludeController(),
    UseInterceptors(PageInterceptor),
    UseFilters(PageExceptionFilter),
  );
