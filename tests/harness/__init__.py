"""What tests share: nodes in this process, processes of their own, and fake peers."""
