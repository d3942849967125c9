"""The specification of the HTTP interface, and a page that shows it."""
