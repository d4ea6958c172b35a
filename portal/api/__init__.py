"""The API for programs: orders and entries as JSON, described by openapi.json."""
