"""What comes in while the shop runs: user events and product changes, checked and made durable."""
