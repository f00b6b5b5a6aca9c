"""What only training and evaluation need. Serving never imports it."""
