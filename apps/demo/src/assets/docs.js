const place = document.getElementById('swagger-ui');

// eslint-disable-next-line no-undef -- the page loads swagger-ui-bundle.js before this file
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
