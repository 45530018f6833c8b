// What <sigra-tokens> leaves to the application.
const element = document.querySelector('sigra-tokens');

// The session has ended: the sign-in page leads back here.
element.addEventListener('sigra-unauthenticated', () => location.reload());

if (element.dataset.emails) {
  const emails = new Map(JSON.parse(element.dataset.emails));
  element.nameOfOwner = ({ id }) => emails.get(id) ?? 'a former member';
}
