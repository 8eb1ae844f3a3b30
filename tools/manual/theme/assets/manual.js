// What Material leaves without a name or out of reach of the keyboard. Loads nothing, remembers nothing.
document.querySelector('[role="dialog"][data-md-component="search"]')?.setAttribute("aria-label", "Search");
