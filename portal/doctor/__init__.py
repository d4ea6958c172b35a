"""What an operator gets wrong, looked for: each check one function, which changes nothing."""
