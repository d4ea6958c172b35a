// Shows the API's description. The file itself is the description; this only draws it.
"use strict";

const place = document.getElementById("api-docs");
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.description,
  deepLinking: true,
  validatorUrl: null, // no stranger is asked
});
