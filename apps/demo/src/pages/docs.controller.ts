import { Get } from '@nestjs/common';
import { OptionalAuth } from 'nestjs-sigra';
import { PageController } from './page-controller.decorator.js';
import { view, type View } from './page.js';

/**
 * Swagger UI for `/docs-json`, as a page of the demo. The page of `SwaggerModule` has inline styles, which would need a
 * weaker Content-Security-Policy.
 */
@PageController('docs')
export class DocsController {
  @Get()
  @OptionalAuth()
  show(): View {
    return view('docs', 'API docs', {
      styles: ['swagger-ui.css'],
      scripts: ['swagger-ui-bundle.js', 'docs.js'],
    });
  }
}
