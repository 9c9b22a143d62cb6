"""What is wrong with the product in a cluster, and what to do: findings from observations, and who makes the observations."""
