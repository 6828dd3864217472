"""What tests share: nodes in this process, nodes as processes of their own, and fake peers."""
